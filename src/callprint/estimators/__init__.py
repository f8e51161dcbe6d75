"""The clustering algorithms and the spam detector behind scikit-learn's interface (extra `spit`)."""
