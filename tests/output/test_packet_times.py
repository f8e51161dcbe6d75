"""What people are told about the times of a capture."""

from callprint.cli import main
from callprint.core.capture.packet_order import OrderCounters
from callprint.output.packet_times import time_warnings


def test_a_capture_in_order_is_no_reason_for_words():
    assert time_warnings(OrderCounters()) == []


def test_each_thing_has_its_line():
    assert time_warnings(OrderCounters(set_back=1, set_back_ns=30_000_000_000)) == [
        "the capture's clock was set back by 30.0 s; later times are shifted"
    ]
    (twice,) = time_warnings(OrderCounters(set_back=2, set_back_ns=4_500_000_000_000))
    assert "set back 2 times, in all by 4,500.0 s" in twice
    lines = time_warnings(OrderCounters(late=1234, misdated=5, begun_anew=2))
    assert ["more than an hour 2 times" in lines[0], "5;" in lines[1], "1,234;" in lines[2]] == [True] * 3


def test_the_command_says_it(world, capsys):
    assert main(["identify", str(world / "30-clock-back.pcap"), "--model", "none", "--no-store"]) == 0
    assert "clock was set back by 30.0 s" in " ".join(capsys.readouterr().err.split())
