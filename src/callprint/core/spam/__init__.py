"""SPIT detection without I/O: call features, histories, the paper's clusterings and our own detector."""
