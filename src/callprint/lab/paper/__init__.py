"""The identification paper's tables and figures beside ours: docs/results/paper.md."""
