"""The invariant: any bytes give PACKET rows of exactly one kind, with a payload inside the record.

Never an exception, and never a byte read outside the buffer.
"""

import signal
import subprocess
import sys
from pathlib import Path

from frames import ethernet, ipv4, records, udp
from hypothesis import given, settings
from hypothesis import strategies as st
from link_samples import FRAMED, LINKS, TUNNELS

from callprint.core import dissect
from callprint.core.packets import PacketKind

SAMPLES = [*LINKS.values(), *((1, frame) for frame, _ in TUNNELS.values())]
SAMPLES += [(1, ethernet(ipv4(udp(payload, *ports)))) for payload, ports, _ in FRAMED.values()]
LINK_TYPES = [*{link for link, _ in SAMPLES}, 9999]
FENCE = Path(__file__).parents[1] / "fence.py"


@st.composite
def damaged_frames(draw):
    link_type, frame = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(frame)))
        new = draw(st.binary(max_size=3))
        frame = frame[:at] + new + frame[at + draw(st.integers(0, 3)) :]
    return link_type, frame


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(damaged_frames(), st.tuples(st.sampled_from(LINK_TYPES), st.binary(max_size=120))),
    st.sampled_from([0, 1, 1000]),
    st.binary(max_size=5),
)
def test_any_bytes_give_one_kind_and_a_payload_inside_the_record(typed_frame, missing, neighbour):
    link_type, frame = typed_frame
    data, rows = records([neighbour, frame, neighbour], link_type, missing)
    packets = dissect.dissect(data, rows)
    assert all(kind in list(PacketKind) for kind in packets["kind"])
    begin = packets["offset"]
    assert (begin >= rows["offset"]).all()
    assert (begin + packets["length"] <= rows["offset"] + rows["captured"]).all()
    cut = packets["kind"] == PacketKind.RTP_CUT
    assert (packets["missing"][cut] > 0).all()
    assert (packets["length"][cut] >= 12).all()
    assert not packets["missing"][~cut].any()
    # What lies next to a record never changes the result.
    alone = dissect.dissect(*records([frame], link_type, missing))
    for column in alone.dtype.names:
        if column not in {"offset", "time_ns"}:
            assert alone[column][0] == packets[column][1]


def run_fence(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, FENCE, *arguments], capture_output=True, text=True, check=False)


def test_no_byte_outside_the_input_is_read():
    done = run_fence("4000")
    assert (done.returncode, done.stdout) == (0, "4000 rounds\n"), done.stderr


def test_the_fence_kills_a_read_of_one_byte_too_many():
    assert run_fence("1", "--out-of-bounds").returncode == -signal.SIGSEGV
