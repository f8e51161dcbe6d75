"""streamparse looks for this file: what `sparse submit` does before it submits."""

from callprint.topology.submit import pre_submit

__all__ = ["pre_submit"]
