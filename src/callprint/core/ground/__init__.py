"""What every part of the core stands on: compilation, errors, bytes, addresses, keys, snapshots."""
