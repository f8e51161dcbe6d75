"""The names by which a configuration chooses a detector: apart, so that a spout need not load the detectors."""

OWN = "callprint"
ALGORITHM_NAMES = ("mpck", "empck", "empck-multi-class", "pmpck")
DETECTORS = (OWN, *ALGORITHM_NAMES)
"""Our own detector, and the paper's four algorithms (paper_detector.py)."""
