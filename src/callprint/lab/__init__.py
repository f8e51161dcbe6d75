"""Experiments and reports: what only writes docs/ and what it measures. Nothing of the product imports it."""
