"""Identification: features and k-matrices of evidence, the model card, and the decision from scores to verdict."""
