"""Live capture over a pair of virtual interfaces, in a separate network namespace."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callprint.core.ground.errors import CaptureError
from callprint.core.packets import PacketKind
from callprint.sources import open_interfaces
from callprint.sources.live import LiveSource
from callprint.sources.packet_ring import RingStatistics

SCENARIOS = Path(__file__).parents[1] / "live_scenarios.py"

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"),
    reason="needs root, unshare (util-linux) and ip (iproute2)",
)


def scenario(name: str) -> dict:
    done = subprocess.run(
        ["unshare", "-n", sys.executable, SCENARIOS, name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.live
@needs_root
def test_every_packet_sent_is_seen_once_in_order_and_none_is_dropped():
    seen = scenario("every_packet")
    assert seen["in_order"]
    assert seen["packets"] == seen["passed"] == 60_000
    assert seen["dropped"] == 0
    assert seen["kinds"] == [PacketKind.RTP]
    assert seen["time_goes_on"]
    assert seen["clock_error_s"] < 30


@pytest.mark.live
@needs_root
def test_what_the_kernel_drops_is_counted_and_adds_up():
    seen = scenario("overload")
    assert seen["dropped"] > 0
    assert seen["read"] + seen["dropped"] == seen["passed"] == 30_000


class CountedRing:
    """Counts how often it is asked, and drops a packet meanwhile."""

    asked = 0

    def statistics(self):
        self.asked += 1
        return RingStatistics("eth0", 0, self.asked, 0)


def test_the_kernel_is_asked_once_a_second_what_it_dropped_and_at_the_end():
    ring = CountedRing()
    source = LiveSource([ring])
    assert [source.dropped for _ in range(1000)] == [1] * 1000
    source.stop()
    assert source.dropped == 2


@pytest.mark.live
@needs_root
def test_the_kernel_filter_passes_what_the_dissector_uses():
    seen = scenario("kernel_filter")
    assert seen["unfiltered"] == seen["sent"]
    assert seen["used_but_dropped"] == 0
    assert seen["used"] <= seen["filtered"] < seen["unfiltered"]
    assert seen["as_our_machine_says"]
    assert seen["tag_taken_off"]


@pytest.mark.live
@needs_root
def test_several_interfaces_at_once():
    assert scenario("several_interfaces") == {"seen": 200, "by_interface": [100, 100]}


@pytest.mark.live
@needs_root
def test_a_fanout_group_shares_the_media_sessions():
    seen = scenario("fanout")
    assert seen["first"] + seen["second"] == 64 * 4 * 5
    assert min(seen["first"], seen["second"]) > 0
    assert seen["torn_sessions"] == 0
    assert seen["as_our_machine_says"]


@pytest.mark.live
@needs_root
def test_a_fanout_group_may_have_several_interfaces():
    # Both ends of the pair see each packet.
    assert scenario("fanout_on_two_interfaces") == {"seen": 64, "both": True}


@pytest.mark.live
@needs_root
def test_loopback_shows_each_packet_once():
    assert scenario("loopback") == {"media": 50}


@pytest.mark.live
@needs_root
@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="no /dev/net/tun")
def test_a_device_without_ethernet():
    assert scenario("tunnel_device") == {"media": 50}


@pytest.mark.live
@needs_root
def test_an_interface_that_goes_down_comes_back_and_one_that_is_gone_is_an_error():
    seen = scenario("interface_goes_away")
    assert seen["survived_down"]
    (error,) = seen["error"]
    assert error.startswith("CaptureError: the interface far no longer exists")


@pytest.mark.live
@needs_root
def test_an_idle_interface_gives_an_empty_batch_now_and_then():
    assert scenario("idle") == {"records": 0}


@pytest.mark.live
@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv (util-linux)")
def test_without_the_capability_the_error_says_which_and_how_to_give_it():
    code = "from callprint.sources import open_interfaces\nopen_interfaces(['lo'])"
    done = subprocess.run(
        ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-all", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert "PrivilegeError: capturing on lo needs the capability CAP_NET_RAW" in last
    assert "sudo" in last
    assert "cap_net_raw+ep" in last


def test_an_unknown_interface_is_named_with_the_ones_that_exist():
    with pytest.raises(CaptureError, match=r"there is no interface nowhere0; there are .*lo"):
        open_interfaces(["nowhere0"])
    with pytest.raises(CaptureError, match="no interface to capture on"):
        open_interfaces([])
