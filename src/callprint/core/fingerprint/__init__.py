"""The fingerprint of a flow: its sender's habits as one short text (docs/how/fingerprint.md)."""
