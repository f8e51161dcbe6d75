"""The identification paper's tables and figures beside ours: docs/paper-results.md."""
