"""What is learned from calls that say what made them: measured, and written to docs/results/learning.md."""
