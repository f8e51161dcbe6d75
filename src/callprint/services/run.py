"""`python -m callprint.services.run`: what `sparse run` should do on Storm 2.8, run the topology in one process.

    python -m callprint.services.run -n voip -e local -t 60 -o callprint.store=sqlite:verdicts.sqlite

It takes the options of `sparse run` and needs Kafka and its topics, but no ZooKeeper, Nimbus or supervisor: use it to
try a change of a spout or a bolt. `sparse run` by itself fails on Storm 2. Here it finds two programs first on its
PATH, both of which are this module again:

    storm version      Maven's jars contain no such script: this one prints the version that Maven resolves
    storm jar          Flux ignores --local on Storm 2: Storm's LocalCluster runs Flux, with the topology's jar first on
                       the class path, because Flux's own jar would hide its `resources/`
    lein deps :tree    project.clj does not name storm-core, but streamparse wants a line that does

What `sparse submit` does before it submits is done here, too: settings and topics are checked, the store is prepared.
The network is read from its path, because there is no blobstore.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.services import jars
from callprint.services.layout import Layout, standard_layout
from callprint.services.service import daemon_environment

HEAP_MIB = 512
LONGEST_S = 1_000_000  # stands for "until it is stopped": somewhere Storm counts milliseconds in an int
LEIN_VARIABLE = "CALLPRINT_LEIN"

LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <appenders>
    <File name="main" fileName="{file}"><PatternLayout pattern="%d %c{{1.}} %t [%p] %msg%n"/></File>
  </appenders>
  <loggers><root level="info"><appender-ref ref="main"/></root></loggers>
</configuration>
"""


def run(arguments: argparse.Namespace, layout: Layout) -> int:
    """Prepare what `sparse run` needs, run it, and return its exit status."""
    lein = shutil.which("lein")
    missing = jars.missing_tools(("java", "mvn", "lein"))
    if missing or lein is None:
        raise ConfigError(
            f"not on the PATH: {', '.join(missing)}; a Java 17 JDK, Maven and Leiningen are needed"
        )
    config = _prepared(arguments)
    for bundle in (jars.STORM_DAEMON, jars.STORM_LOCAL):
        jars.resolve(bundle, layout.jars)
    jars.copy(jars.FLUX, layout.jars / "storm-flux")
    with tempfile.TemporaryDirectory(prefix="callprint-run-") as folder:
        for program in ("storm", "lein"):
            path = Path(folder) / program
            path.write_text(
                f'#!/bin/sh\nexec "{sys.executable}" -m callprint.services.run as-{program} "$@"\n'
            )
            path.chmod(0o755)
        written = Path(folder) / "config.json"
        written.write_text(json.dumps(config))
        environment = daemon_environment()
        environment["PATH"] = folder + os.pathsep + environment["PATH"]
        environment |= {LEIN_VARIABLE: lein, "LEIN_ROOT": "1", "PYTHONWARNINGS": "ignore"}
        command = ["sparse", "run", "--config", str(written), "--name", arguments.name]
        command += ["--environment", arguments.environment, "--time", str(arguments.time)]
        print(f"the log, including spouts and bolts, is {layout.logs / 'run.log'}", flush=True)
        return subprocess.run(command, env=environment, check=False).returncode


def _prepared(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration with the options in it, after doing what `sparse submit` does before it submits."""
    from callprint.topology.submit import pre_submit  # noqa: PLC0415 - the extra `cluster`

    path = Path(arguments.config)
    try:
        config = json.loads(path.read_text())
        environment = config["envs"][arguments.environment]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a configuration with an environment {arguments.environment}"
        ) from error
    options = environment.setdefault("options", {})
    for option in arguments.option or []:
        key, _, value = option.partition("=")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    options["callprint.model_from"] = "path"
    pre_submit(arguments.name, arguments.environment, environment, options)
    return dict(config)


def as_storm(arguments: Sequence[str], layout: Layout) -> list[str]:
    """Return the command to run instead of `storm ARGUMENTS`. Raises ConfigError when there is none."""
    if list(arguments[:1]) == ["version"]:
        return ["echo", f"Storm {jars.STORM_VERSION}"]
    if len(arguments) < 3 or arguments[0] != "jar":
        raise ConfigError(f"this `storm` knows `version` and `jar`, not {' '.join(arguments)!r}")
    topology_jar, main, *rest = arguments[1:]
    seconds = int(rest[rest.index("--sleep") + 1]) if "--sleep" in rest else LONGEST_S
    configuration = layout.logs / "run-log4j2.xml"
    configuration.write_text(LOG4J.format(file=layout.logs / "run.log"))
    classes = [
        topology_jar,
        *(f"{layout.jars / name}/*" for name in ("storm-flux", "storm-daemon", "storm-local")),
    ]
    return [
        *("java", f"-Xmx{HEAP_MIB}m", "-XX:+UseSerialGC"),
        f"-Dstorm.jar={topology_jar}",
        f"-Dstorm.local.sleeptime={min(seconds, LONGEST_S)}",
        f"-Dstorm.log.dir={layout.logs}",
        f"-Dlog4j.configurationFile={configuration}",
        *("-cp", os.pathsep.join(classes)),
        *("org.apache.storm.LocalCluster", main, "--no-splash", rest[-1]),
    ]


def as_lein(arguments: Sequence[str]) -> list[str]:
    """Return the command to run instead of `lein ARGUMENTS`."""
    if list(arguments) == ["deps", ":tree"]:
        return ["echo", f'[org.apache.storm/storm-core "{jars.STORM_VERSION}"]']
    return [os.environ[LEIN_VARIABLE], *arguments]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["as-storm"]:
            command = as_storm(given[1:], standard_layout())
            os.execvp(command[0], command)
        if given[:1] == ["as-lein"]:
            command = as_lein(given[1:])
            os.execvp(command[0], command)
        parser = argparse.ArgumentParser(prog="python -m callprint.services.run", description=__doc__)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("-n", "--name", default="voip", help="topology (default: %(default)s)")
        parser.add_argument(
            "-e", "--environment", default="local", help="of config.json (default: %(default)s)"
        )
        parser.add_argument(
            "-t", "--time", type=int, default=0, help="seconds, 0: until it is stopped (default)"
        )
        parser.add_argument("-o", "--option", action="append", metavar="KEY=VALUE")
        parser.add_argument("--config", default="config.json", help="(default: %(default)s)")
        return run(parser.parse_args(given), standard_layout())
    except CallprintError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
