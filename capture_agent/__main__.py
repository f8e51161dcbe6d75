"""`python -m capture_agent`, `callprint-agent`: ship the calls in captures or on interfaces to Kafka."""

import argparse
import logging
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.cli import EXIT_INTERRUPTED
from callprint.cli.capture_options import add_capture_options
from callprint.cli.parsers import positive
from callprint.core.calls.settings import RUNNING_EVERY_NS
from callprint.core.capture.packet_order import OrderedBatch, OrderSettings
from callprint.core.dissect import SIGNALLING_PORTS
from callprint.core.evidence import HORIZON_PACKETS
from callprint.core.flow.engine import EngineSettings
from callprint.core.ground.compiled import load_compiler
from callprint.core.ground.errors import CallprintError, ConfigError, ModelError
from callprint.core.identify.card import INPUT_FEATURES, ModelCard, parse_card
from callprint.core.relay import packet_shipping
from callprint.machine_code.warm_up import STEPS
from callprint.messaging.options import add_kafka_options, kafka_settings
from callprint.messaging.topic_names import MEDIA, PACKETS, SIGNALLING
from callprint.model_files import read_card_text
from callprint.output.packet_times import time_warnings
from callprint.secret_places import in_secret_places
from callprint.sources import CaptureSource, open_captures
from callprint.sources.live import LiveSource, open_interfaces

from .agent import AgentSettings, CaptureAgent
from .metrics import open_metrics, status_line
from .privileges import become, drop_capabilities
from .replay import paced
from .spool import Spool
from .stopping import StopRequest

if TYPE_CHECKING:
    from .publisher import Publisher

DEFAULT_CARD = Path(__file__).resolve().parents[1] / "models" / "compact.json"
WHOLE, FEATURES = "whole", "features"  # evidence
LIVE_SITE = "live"
"""The site of agents on interfaces that were given none: as a rule they see the same calls."""


DESCRIPTION = """\
Ship the calls in captures or on interfaces to Kafka: of each flow what verdicts look at and its statistics, and all SIP
messages. What Kafka does not take waits in a spool on disk.
"""

EPILOG = """\
examples:
  callprint-agent --interface eth1 --brokers kafka1:9092 --user callprint --metrics 9100
                                            live, as root or with CAP_NET_RAW, until SIGTERM or Ctrl-C
  callprint-agent call.pcap                 a capture, as fast as Kafka takes it
  callprint-agent call.pcap --speed 1 --longest-silence 5
                                            at its own speed, with silences of 5 s at most

Kafka must have the topics: `python -m callprint.messaging.topics` creates them. docs/operate/cluster.md has the whole.
Exit codes: 0 everything is in Kafka, 1 it could not start (the message says why), 2 wrong usage, 3 a capture is
damaged, 5 the spool is not empty: the next agent with the same --spool sends what is there.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callprint-agent",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "captures", nargs="*", metavar="CAPTURE", help="file, folder, or - for standard input"
    )
    parser.add_argument(
        *("-i", "--interface"),
        metavar="NAME",
        action="append",
        default=[],
        help="capture on a network interface instead; may be given more than once",
    )
    parser.add_argument(
        "--fanout",
        type=int,
        metavar="GROUP",
        help="share the packets of these interfaces with the other agents of this group, a number of your choice",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="become this user once the sockets are open (default: stay who started it, with a warning for root)",
    )
    add_kafka_options(parser)
    parser.add_argument("--media-topic", metavar="TOPIC", default=MEDIA, help="(default: %(default)s)")
    parser.add_argument(
        "--signaling-topic",
        metavar="TOPIC",
        dest="signalling_topic",
        default=SIGNALLING,
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--packets-topic",
        metavar="TOPIC",
        default=PACKETS,
        help="for the packets that --head adds (default: %(default)s)",
    )
    parser.add_argument(
        "--head",
        type=_head,
        default=HORIZON_PACKETS,
        metavar="N|all",
        help=f"RTP packets of each flow to ship, at least {HORIZON_PACKETS}, which verdicts look at (default: "
        f"{HORIZON_PACKETS}); more go to --packets-topic, with all RTCP",
    )
    parser.add_argument(
        "--speed",
        type=_not_negative,
        metavar="N",
        default=0.0,
        help="1: at the captures' own speed, N: N times as fast, 0: as fast as possible (default)",
    )
    parser.add_argument(
        "--longest-silence",
        type=_not_negative,
        metavar="SECONDS",
        help="with --speed: shorten longer silences in a capture (default: they are kept)",
    )
    parser.add_argument(
        "--compression",
        choices=("gzip", "snappy", "lz4", "zstd"),
        help="of Kafka records (default: none)",
    )
    parser.add_argument(
        "--spool",
        type=Path,
        metavar="FOLDER",
        help="where records wait while Kafka is away, of this agent alone (default: .callprint-spool/INTERFACES or "
        "/CAPTURE)",
    )
    parser.add_argument(
        "--spool-limit-mib",
        type=positive,
        metavar="MIB",
        default=1024,
        help="beyond this records are lost, and counted (default: %(default)s)",
    )
    parser.add_argument(
        "--wait-for-kafka",
        type=_not_negative,
        metavar="SECONDS",
        help="how long to wait at the first start, when the topics are not known yet (default: for ever on "
        "interfaces, else 60)",
    )
    parser.add_argument(
        "--flush-timeout",
        type=_not_negative,
        default=30.0,
        metavar="SECONDS",
        help="how long to try at the end before the rest stays in the spool (default: %(default)g)",
    )
    parser.add_argument(
        "--metrics",
        metavar="[HOST:]PORT",
        help="serve Prometheus counters at /metrics; without HOST to this machine alone, 0.0.0.0:PORT to all",
    )
    parser.add_argument(
        "--status-every",
        type=_not_negative,
        default=60.0,
        metavar="SECONDS",
        help="how often to print the counters (default: 60, 0: never)",
    )
    parser.add_argument(
        "--statistics-every",
        type=_statistics_every,
        default=RUNNING_EVERY_NS / 1e9,
        metavar="SECONDS",
        help="how often to send the statistics of running flows, which keep their calls alive, 1 to 60 (default: 60)",
    )
    parser.add_argument(
        "--site",
        metavar="NAME",
        help="agents that see the same calls share a name: their signalling and media are combined, and callers have "
        "one history (default: a site of its own for each run on captures, one in common for interfaces)",
    )
    add_capture_options(parser)
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_CARD if DEFAULT_CARD.exists() else None,
        metavar="FILE",
        help="the topology's network or its card (FILE.onnx, FILE.json): flows are cut into parts at its checkpoints "
        "(default: the network of the checkout, else 10, 20, 40, 100)",
    )
    parser.add_argument(
        "--evidence",
        choices=(WHOLE, FEATURES),
        default=WHOLE,
        help=f"{FEATURES}: ship of media no more than a network of features looks at, a third of the bytes, with the "
        "same verdicts; not for networks of images, and not where the topology keeps evidence (default: %(default)s)",
    )
    parser.add_argument(
        "--maximum-flows",
        type=positive,
        metavar="N",
        default=EngineSettings().maximum_flows,
        help=f"rows of the flow table; a full one evicts (default: {EngineSettings().maximum_flows:,})",
    )
    return parser


def _watched(
    agent: CaptureAgent, batches: Iterable[OrderedBatch], every_s: float, stop: Callable[[], bool]
) -> Iterator[OrderedBatch]:
    """Pass batches on until a signal comes, and print the status line now and then."""
    next_s = time.monotonic() + every_s
    for batch in batches:
        yield batch
        if stop():
            print("stopping: sending what is left", file=sys.stderr)
            return
        if every_s and time.monotonic() >= next_s:
            next_s = time.monotonic() + every_s
            print(status_line(agent.values()), file=sys.stderr, flush=True)


def run(arguments: argparse.Namespace) -> int:
    """Ship and return the exit status: 0 all is in Kafka, 3 a capture is damaged, 5 the spool is not empty."""
    # The Kafka client is in the extra `cluster`, which --help does without.
    from .publisher import Publisher  # noqa: PLC0415

    kafka = kafka_settings(arguments)
    card = _card(arguments.model)
    checkpoints = EngineSettings().checkpoints if card is None else card.checkpoints
    settings = AgentSettings(
        in_secret_places(
            EngineSettings(maximum_flows=arguments.maximum_flows, checkpoints=checkpoints),
            live=bool(arguments.interface),
        ),
        arguments.media_topic,
        arguments.signalling_topic,
        statistics_every_s=arguments.statistics_every,
        site=arguments.site or (LIVE_SITE if arguments.interface else None),
        packets_topic=arguments.packets_topic,
        head=arguments.head,
        signalling_ports=tuple(arguments.sip_port or SIGNALLING_PORTS),
        order=OrderSettings(arguments.reorder_window_ms),
        summarise=_summarise(arguments.evidence, card),
    )
    server = open_metrics(arguments.metrics) if arguments.metrics is not None else None
    source = _open(arguments)
    live = isinstance(source, LiveSource)
    _drop_privileges(arguments.user, live)
    spool = Spool(arguments.spool or _spool_folder(arguments), arguments.spool_limit_mib << 20)
    publisher = Publisher(kafka, spool, compression=arguments.compression, patient=not live)
    _learn_topics(publisher, settings, arguments.wait_for_kafka, live)
    agent = CaptureAgent(settings, publisher, spool)
    if isinstance(source, LiveSource):
        agent.kernel_drops = lambda: sum(ring.dropped for ring in source.statistics())
    if server is not None:
        server.serve(agent.values)
    stopping = StopRequest()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Only set a flag: an exception in the middle of a send would lose or duplicate a record.
        signal.signal(number, lambda _number, _frame: _stop(stopping, source))

    def through(batches: Iterator[OrderedBatch]) -> Iterator[OrderedBatch]:
        at_their_pace = paced(batches, arguments.speed, stopping, longest_silence_s=arguments.longest_silence)
        return _watched(agent, at_their_pace, arguments.status_every, lambda: _may_stop(stopping, source))

    try:
        agent.run(source, source, through)
    finally:
        done = agent.finish(arguments.flush_timeout)
        if server is not None:
            server.close()
    print(status_line(agent.values()), file=sys.stderr)
    for warning in [*source.warnings, *time_warnings(agent.order.counters)]:
        print(f"warning: {warning}", file=sys.stderr)
    return 5 if not done else 3 if source.warnings else 0


def _open(arguments: argparse.Namespace) -> CaptureSource | LiveSource:
    if bool(arguments.captures) == bool(arguments.interface):
        raise ConfigError("name either captures, or interfaces with --interface")
    if arguments.interface:
        ports = tuple(arguments.sip_port or SIGNALLING_PORTS)
        return open_interfaces(arguments.interface, fanout_group=arguments.fanout, signalling_ports=ports)
    return open_captures(arguments.captures)


def _card(model: Path | None) -> ModelCard | None:
    """Return the card of the topology's network, None without one. Raises ModelError."""
    if model is None:
        return None
    if not model.name:
        raise ModelError(f"--model must name a network or its card, not {str(model)!r}")
    return parse_card(read_card_text(model.with_suffix(".json")))


def _summarise(evidence: str, card: ModelCard | None) -> bool:
    """Return whether to ship summaries of media. Raises ConfigError when the network looks at more."""
    if evidence == FEATURES:
        form = card.input if card is not None else None
        if form is None or form.kind != INPUT_FEATURES or form.maximum_packets < HORIZON_PACKETS:
            raise ConfigError(
                f"--evidence {FEATURES} needs a --model that reads features of {HORIZON_PACKETS} packets"
            )
    return evidence == FEATURES


def _stop(stopping: StopRequest, source: CaptureSource | LiveSource) -> None:
    stopping.make()
    if isinstance(source, LiveSource):
        source.stop()


def _may_stop(stopping: StopRequest, source: CaptureSource | LiveSource) -> bool:
    """Return whether to stop reading. A live source ends by itself, after the packets still in its rings."""
    return stopping.is_made() and not isinstance(source, LiveSource)


def _drop_privileges(user: str | None, live: bool) -> None:
    if user is not None:
        # Now, while files can be read: that user may not be able to.
        for load in (*STEPS.values(), packet_shipping.warm_up):
            load()
        load_compiler()  # should a packet ever need what those have not called
        become(user)
    if not drop_capabilities() and live:
        print("warning: the agent stays root; --user NAME would drop its privileges", file=sys.stderr)


def _spool_folder(arguments: argparse.Namespace) -> Path:
    """Return a folder for these interfaces, or this capture, so that two agents do not share one by mistake."""
    name = "+".join(arguments.interface) or Path(arguments.captures[0]).name
    return Path(".callprint-spool") / (re.sub(r"[^A-Za-z0-9._+-]", "_", name).lstrip(".-") or "input")


def _learn_topics(publisher: "Publisher", settings: AgentSettings, wait_s: float | None, live: bool) -> None:
    """Wait for Kafka until the topics are known, unless an earlier run knew them; report that now and then."""
    if wait_s is None:
        wait_s = float("inf") if live else 60.0
    topics = [settings.media_topic, settings.signalling_topic]
    if settings.head > settings.engine.horizon_packets:
        topics.append(settings.packets_topic)
    for topic in topics:
        publisher.partitions(topic, wait_s, report=lambda text: print(text, file=sys.stderr, flush=True))


def _head(text: str) -> int:
    """Return packets; an argparse type."""
    return packet_shipping.ALL if text == "all" else positive(text)


def _not_negative(text: str) -> float:
    """Return a finite number of at least 0; an argparse type."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return number


def _statistics_every(text: str) -> float:
    """Return seconds; an argparse type."""
    seconds = _not_negative(text)
    if not 1 <= seconds <= RUNNING_EVERY_NS / 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 60")
    return seconds


def main() -> int:
    """Run the command line and return the exit status; 1 after an error, which is printed in one line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)  # the publisher logs what matters
    try:
        return run(_parser().parse_args())
    except CallprintError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it waits for Kafka: once it captures, a signal ends it in good order
        print("interrupted: nothing was captured yet", file=sys.stderr)
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        if error.name != "kafka":
            raise
        print("error: this needs the Kafka client: `sh tools/setup.sh cluster` installs it", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
