"""Experiments and reports: code that only measures and writes docs/. Nothing of the product imports it."""
