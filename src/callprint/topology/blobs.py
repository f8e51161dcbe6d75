"""Blobs in Storm's blobstore, by Nimbus's Thrift interface. `python -m callprint.topology.blobs` replaces a model."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.topology.models import blobs_of

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

CHUNK_BYTES = (
    300 << 10
)  # Nimbus never answers a message of a megabyte or more (nimbus.thrift.max_buffer_size)
READ, WRITE, ADMIN = 1, 2, 4
EVERYBODY = 1  # AccessControlType.OTHER: an unsecured Nimbus has no users
NIMBUS_TIMEOUT_MS = 60_000  # streamparse's default of 7 s is too short on a busy machine


@contextmanager
def nimbus(host: str, port: int) -> Iterator[Any]:
    """Give a Thrift client of Nimbus. Raises ConfigError when Nimbus does not answer, or refuses something."""
    from streamparse.util import get_nimbus_client  # noqa: PLC0415 - the extra `cluster`
    from thriftpy2.thrift import TException  # noqa: PLC0415 - the same

    try:
        client = get_nimbus_client(host=host, port=port, timeout=NIMBUS_TIMEOUT_MS)
        try:
            yield client
        finally:
            client.close()
    except (TException, OSError) as error:
        raise ConfigError(f"Nimbus at {host}:{port}: {error}") from error


def put_model(client: Any, topology: str, model: Path) -> dict[str, Path]:
    """Create or replace the blobs of a topology's model; return its files by key. `client` is that of `nimbus`."""
    blobs = blobs_of(topology, model)
    for key, path in blobs.items():
        put_blob(client, key, path.read_bytes())
        print(f"{path} is in the blobstore as {key}")
    return blobs


def put_blob(client: Any, key: str, data: bytes) -> None:
    """Create or replace a blob."""
    from streamparse.thrift import storm_thrift  # noqa: PLC0415 - the extra `cluster`

    try:
        session = client.beginUpdateBlob(key)
    except storm_thrift.KeyNotFoundException:
        access = storm_thrift.AccessControl(type=EVERYBODY, name="", access=READ | WRITE | ADMIN)
        session = client.beginCreateBlob(
            key, storm_thrift.SettableBlobMeta(acl=[access], replication_factor=1)
        )
    for at in range(0, len(data), CHUNK_BYTES):
        client.uploadBlobChunk(session, data[at : at + CHUNK_BYTES])
    client.finishBlobUpload(session)


def main() -> int:
    """Replace the model of a running topology; its workers switch to it within a minute."""
    from callprint.inference import load_model  # noqa: PLC0415 - ONNX Runtime, only here

    parser = argparse.ArgumentParser(prog="python -m callprint.topology.blobs", description=main.__doc__)
    parser.add_argument(
        "model", type=Path, help="FILE.onnx, with the name of the one it replaces and FILE.json beside it"
    )
    parser.add_argument("--topology", metavar="NAME", default="voip", help="(default: %(default)s)")
    parser.add_argument(
        "--nimbus", type=_place, default="127.0.0.1:6627", metavar="HOST:PORT", help="(default: %(default)s)"
    )
    chosen = parser.parse_args()
    try:
        identifier = load_model(chosen.model)
        with nimbus(*chosen.nimbus) as client:
            _register(client, chosen.topology, identifier)
            put_model(client, chosen.topology, chosen.model)
    except CallprintError as error:
        print(f"error: {error}; the model was not sent", file=sys.stderr)
        return 1
    return 0


def _place(text: str) -> tuple[str, int]:
    """Return host and port; an argparse type."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def _register(client: Any, topology: str, identifier: "OnnxIdentifier") -> None:
    """Put the model into the list of the running topology's store; Nimbus knows which store that is."""
    from callprint.model_names import put_into_use  # noqa: PLC0415 - only here
    from callprint.stores import open_store  # noqa: PLC0415 - only here
    from callprint.topology.settings import TopologySettings  # noqa: PLC0415

    running = [found.id for found in client.getClusterInfo().topologies if found.name == topology]
    if not running:
        print(f"the topology {topology} is not running: the model is registered when it is submitted")
        return
    settings = TopologySettings.from_options(json.loads(client.getTopologyConf(running[0])))
    with open_store(settings.store, create=False) as store:
        put_into_use(store, identifier, time.time_ns())
    print(f"{identifier.name} is registered in {settings.store}")


if __name__ == "__main__":
    sys.exit(main())
