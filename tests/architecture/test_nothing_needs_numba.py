"""What is compiled ahead is called without Numba wherever it is called, not only on the sample.

An entry point takes arguments of the types that it was made for, and warm_up.py gives it next to nothing. A field of an
array with one row is contiguous, that of an array with two rows is not: so it may get other types in earnest, and then
every process that meets them imports Numba and compiles for seconds. This finds such functions by running what runs.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("image")

ROOT = Path(__file__).parents[2]

NEEDS_NUMBA: dict[str, str] = {}
"""Functions that the scenarios below may call through Numba, each with the reason."""

BEGIN = """
import io, sys
from contextlib import redirect_stdout
from callprint.core.ground import compiled
from callprint.machine_code import ready
from callprint.cli import main
ready = ready._entry_points()
assert ready
"""
END = """
for name in sorted(compiled.entry_points()):
    print("through Numba:", name, "in the image" if name in ready else "not in the image")
"""

SHIPPING = """
sys.path[:0] = ["tests", "tests/relay"]
from length_identifier import ByLength
from test_flow_judging import SETTINGS, embedded, records
from rtp_traffic import CALLS, traffic
from callprint.core.flow.engine import FlowEngine
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge
from callprint.core.relay.packet_shipping import ALL, PacketShipper
from callprint.core.wire.media import decode_media
embedded()
for flush_every in (1, 4):
    for topic in records(13, flush_every, True):
        assembly, judge = PartitionAssembly(), PartJudge(ByLength())
        for record in topic:
            judge.judge(assembly.absorb(decode_media(record)))
for head in (100, ALL):
    shipper, engine = PacketShipper(1, 4, SETTINGS.maximum_flows, 100, head), FlowEngine(SETTINGS)
    data, packets = traffic(CALLS)
    for at in range(0, len(packets), 50):
        shipper.take(data, packets[at : at + 50], engine)
        list(engine.process(data, packets[at : at + 50]))
    shipper.flush()
"""

SITES = """
sys.path[:0] = ["tests", "tests/relay"]
import random, tempfile
from pathlib import Path
from call_stream import embedded_rows, frames_of, inputs_of, record
from sip_scenario import write_capture
from test_running_media import SCENARIOS
from callprint.core.relay.site import SiteCalls
from callprint.core.spam.detectors import make_detector
from callprint.core.wire.source import site_of
with tempfile.TemporaryDirectory() as folder:
    for script in SCENARIOS.values():
        path = Path(folder) / "call.pcap"
        write_capture(path, script)
        frames = frames_of(path)
        inputs = inputs_of(record(frames, batch=20))
        (site,) = {site_of(source) for source in inputs.sources}
        calls = SiteCalls(site, make_detector("callprint"))
        for each in inputs.shuffled(random.Random(1)):
            calls.take(each)
        embedded_rows(frames)
"""

IDENTIFY = """
with redirect_stdout(io.StringIO()):
    for number, options in enumerate((
        ["--json", "-", "--follow", "--follow-every", "1"],
        ["--model", "none"],
        ["--keep-unknown", "--keep-calls", "all"],
        ["--reorder-window-ms", "0"],
    )):
        main(["identify", *sys.argv[2:], "--store", f"{sys.argv[1]}/{number}.sqlite", *options])
"""


def through_numba(program: str, *arguments: str) -> set[str]:
    """Run a program in a process of its own; return the functions that it called through Numba."""
    finished = subprocess.run(
        [sys.executable, "-c", BEGIN + program + END, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    lines = [line for line in finished.stdout.splitlines() if line.startswith("through Numba:")]
    return {line.split()[2] for line in lines} - set(NEEDS_NUMBA)


def test_identify_the_sample(tmp_path):
    assert not through_numba(IDENTIFY, str(tmp_path), "samples/applications.pcapng")


def test_identify_captures_of_many_kinds(tmp_path, world):
    assert not through_numba(IDENTIFY, str(tmp_path), *map(str, sorted(world.glob("*.pcap*"))))


def test_identify_calls_of_applications(tmp_path, labelled_calls):
    captures = sorted((labelled_calls / "cross").glob("*.pcap*"))[::20]
    assert not through_numba(IDENTIFY, str(tmp_path), *map(str, captures))


def test_ship_assemble_and_judge_flows_and_packets():
    assert not through_numba(SHIPPING)


def test_judge_the_calls_of_a_site():
    assert not through_numba(SITES)
