"""The real services, started once for the whole run in a cluster of their own (other ports, other folder)."""

from cluster_fixtures import (  # noqa: F401 - fixtures
    _submitted,
    layout,
    model,
    running,
    skip_without_tools,
    start,
)

pytest_collection_modifyitems = skip_without_tools
