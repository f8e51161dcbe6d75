"""Storm spouts: thin shells around callprint.topology."""
