"""Machine code of the core: made once, kept on disk, and called without the compiler (ADR 0012, ADR 0013)."""
