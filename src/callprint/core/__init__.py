"""The pure core: bytes, arrays and packet times in, values out.

Nothing in here opens a file or a socket, reads a clock, or imports a framework; a lint rule
(`tests/test_core_is_pure.py`) keeps it so. Everything else in callprint is a shell around it.
"""
