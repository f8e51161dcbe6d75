"""Training: datasets, windows, networks, evaluation, export. The only part that needs the extra `train`."""
