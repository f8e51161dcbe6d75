"""Storm bolts: thin shells around the core."""
