"""What crosses a process boundary: versioned, checksummed, columnar batches (docs/how/wire.md).

Bytes in, values out, no I/O. Invariant of every decoder here: any bytes either decode or raise DecodeError, and
bytes of the latest layout that decode encode again to the same bytes.
"""
