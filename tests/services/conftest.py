"""The real services, started once for the whole test run in a separate cluster (other ports, another folder)."""

from cluster_fixtures import (  # noqa: F401 - fixtures
    _submitted,
    driver_session,
    layout,
    model,
    running,
    skip_without_tools,
    start,
)

pytest_collection_modifyitems = skip_without_tools
