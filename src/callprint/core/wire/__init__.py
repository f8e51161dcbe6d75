"""What crosses a process boundary: versioned, checksummed, columnar batches (docs/how/wire.md).

Bytes in, values out, no I/O. Invariant of every decoder here: any bytes at all either decode or raise
DecodeError, and what decodes encodes again to the same bytes.
"""
