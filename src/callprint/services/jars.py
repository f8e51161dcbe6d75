"""Which jars each service needs, and how Maven brings them into the cluster's folder.

These are plain Maven coordinates: they come from Maven's default repository, or the one in the machine's settings.
"""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from callprint.core.ground.errors import ConfigError

KAFKA_VERSION = "3.9.2"
ZOOKEEPER_VERSION = "3.9.3"
STORM_VERSION = "2.8.3"  # 2.8.4 refers to a parent pom that was never published
CASSANDRA_VERSION = "5.0.9"
SLF4J_VERSION = "1.7.36"  # the API version that Kafka 3.9 is built against


@dataclass(frozen=True)
class Bundle:
    """One class path. `artifacts` are `group:artifact:version`, `exclusions` are `group:artifact`."""

    name: str
    artifacts: tuple[str, ...]
    exclusions: tuple[str, ...] = ()


KAFKA = Bundle(
    "kafka",
    (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", f"org.slf4j:slf4j-simple:{SLF4J_VERSION}"),
)
ZOOKEEPER = Bundle(
    "zookeeper",
    (
        f"org.apache.zookeeper:zookeeper:{ZOOKEEPER_VERSION}",
        "io.dropwizard.metrics:metrics-core:4.1.12.1",  # optional in the pom, needed by the server
        "org.xerial.snappy:snappy-java:1.1.10.5",  # the same
    ),
)
STORM_DAEMON = Bundle(
    "storm-daemon",
    (f"org.apache.storm:storm-core:{STORM_VERSION}",),
    # storm-clojure needs `carbonite`, which Maven Central does not have; the two loggers conflict with log4j2.
    ("org.apache.storm:storm-clojure", "org.slf4j:slf4j-reload4j", "ch.qos.reload4j:reload4j"),
)
STORM_WORKER = Bundle(
    "storm-worker",
    (f"org.apache.storm:storm-client:{STORM_VERSION}",),
    ("org.slf4j:slf4j-reload4j", "ch.qos.reload4j:reload4j"),
)
STORM_LOCAL = Bundle(
    "storm-local",  # beside STORM_DAEMON: for the ZooKeeper that runs inside Storm's LocalCluster
    ("org.xerial.snappy:snappy-java:1.1.10.5",),
)
FLUX = f"org.apache.storm:flux-core:{STORM_VERSION}"  # without its parent pom, never published; the jar needs nothing
CASSANDRA = Bundle("cassandra", (f"org.apache.cassandra:cassandra-all:{CASSANDRA_VERSION}",))


def pom(bundle: Bundle) -> str:
    """Return a pom.xml whose dependencies are the bundle's artifacts."""
    excluded = "".join(
        f"<exclusion><groupId>{escape(group)}</groupId><artifactId>{escape(artifact)}</artifactId></exclusion>"
        for group, artifact in (exclusion.split(":") for exclusion in bundle.exclusions)
    )
    dependencies = "".join(
        f"<dependency><groupId>{escape(group)}</groupId><artifactId>{escape(artifact)}</artifactId>"
        f"<version>{escape(version)}</version><exclusions>{excluded}</exclusions></dependency>"
        for group, artifact, version in (coordinates.split(":") for coordinates in bundle.artifacts)
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>callprint.services</groupId><artifactId>{bundle.name}</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>\n"
    )


def missing_tools(tools: Iterable[str] = ("java", "mvn", "openssl")) -> list[str]:
    """Return which of the programs that the cluster needs are not on the PATH."""
    return [tool for tool in tools if shutil.which(tool) is None]


def resolve(bundle: Bundle, jars: Path) -> Path:
    """Download the bundle's jars into `jars/<name>` unless they are there already, and return that folder.

    Raises ConfigError when Maven fails, with the end of what it printed.
    """
    folder = jars / bundle.name
    wanted = pom(bundle)
    stamp = folder / "pom.xml"  # written last: a folder without it is an interrupted download
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    partial = jars / f".{bundle.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "pom.xml").write_text(wanted)
    arguments = ["--file", str(partial / "pom.xml"), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    _maven(
        [*arguments, f"-DoutputDirectory={partial.absolute()}"],
        f"the jars of {bundle.name} ({', '.join(bundle.artifacts)})",
    )
    partial.rename(folder)
    return folder


def copy(artifact: str, folder: Path) -> Path:
    """Download one jar, without its dependencies, into a folder of its own unless it is there; return the folder.

    Raises ConfigError when Maven fails, with the end of what it printed.
    """
    _, name, version = artifact.split(":")
    if not (folder / f"{name}-{version}.jar").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _maven(["dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"], artifact)
    return folder


def _maven(arguments: list[str], what: str) -> None:
    done = subprocess.run(
        ["mvn", "--batch-mode", "--quiet", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        output = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise ConfigError(f"Maven could not resolve {what}:\n" + "\n".join(output))
