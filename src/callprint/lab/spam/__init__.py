"""SPIT beside the pure core: scikit-learn estimators, simulated traces, experiments and their report."""
