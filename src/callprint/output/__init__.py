"""What people and programs see: JSON Lines and CSV for programs, tables and a progress bar for people."""
