"""What `sparse submit` does first: it checks settings and topics, prepares the store, and ships the model.

streamparse calls `pre_submit` by way of tasks.py, with the options as they will be sent to Nimbus.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.inference import load_model
from callprint.messaging.topics import require_topics
from callprint.model_names import put_into_use
from callprint.stores import open_store
from callprint.topology.blobs import nimbus, put_model
from callprint.topology.models import NO_MODEL
from callprint.topology.settings import BLOBSTORE, COMPONENTS, PREFIX, TopologySettings


def parallelism(config: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return {component: {environment: tasks}} of a config.json, as streamparse wants it for `par`."""
    found: dict[str, dict[str, int]] = {component: {} for component in COMPONENTS}
    for name, environment in config["envs"].items():
        try:
            settings = TopologySettings.from_options(environment.get("options", {}))
        except ConfigError as error:
            sys.exit(f"error: {name}: {error}")
        for component in COMPONENTS:
            found[component][name] = settings.parallelism[component]
    return found


def pre_submit(
    topology_name: str, env_name: str, env_config: dict[str, Any], options: dict[str, Any]
) -> None:
    """Check the settings and bring the model to the workers; end the submit with a one-line error otherwise."""
    try:
        settings = TopologySettings.from_options(options)
        require_topics(settings.kafka, settings.topics)
        _prepare_store(settings)
        if settings.parallelism != TopologySettings.from_options(env_config.get("options", {})).parallelism:
            raise ConfigError(
                f"{PREFIX}parallelism.* is only read from config.json: streamparse applies -o too late for it"
            )
        if settings.model != NO_MODEL and settings.model_from == BLOBSTORE:
            options["topology.blobstore.map"] = _ship_model(topology_name, settings, env_config)
        elif settings.model != NO_MODEL:
            options[f"{PREFIX}model"] = str(Path(settings.model).resolve())
    except CallprintError as error:
        sys.exit(f"error: {env_name}: {error}")


def _prepare_store(settings: TopologySettings) -> None:
    """Create or migrate the store before anybody writes to it, and register the model there, which checks it."""
    with open_store(settings.store) as store:
        if settings.model != NO_MODEL:
            put_into_use(store, load_model(settings.model), time.time_ns())


def _ship_model(topology: str, settings: TopologySettings, env_config: dict[str, Any]) -> dict[str, Any]:
    from streamparse.util import ssh_tunnel  # noqa: PLC0415 - only where it is submitted

    with ssh_tunnel(env_config) as (host, port), nimbus(host, port) as client:
        blobs = put_model(client, topology, Path(settings.model))
    return {key: {"localname": path.name, "uncompress": False} for key, path in blobs.items()}
