"""Who sent a flow, from lists of sockets; two real programs recorded on loopback; labels that `dataset build` reads."""

import csv
import hashlib
import io
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from verdict_samples import LINPHONE, summary, verdict

from callprint.cli import main
from callprint.core.ground.errors import DatasetError
from callprint.core.ground.sock_diag import UdpSocket
from callprint.core.verdict import FlowReport
from callprint.recording.label_file import add_labels
from callprint.recording.recorder import NOT_HERE, Recorder, _is_here
from callprint.recording.sockets import SocketHistory
from callprint.recording.watch import SocketWatch
from callprint.training.dataset import build_dataset

HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.9", 5000)
ANYWHERE = ("0.0.0.0", 0)

PHONE = """
import socket, struct, time
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 4000))
for i in range(150):
    own.sendto(struct.pack("!BBHII", 0x80, 0, i, 160 * i, 7) + bytes(160), ("127.0.0.1", 5000))
    time.sleep(0.02)
"""
SPEAKER = """
use IO::Socket::INET;
my $own = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1:5000", PeerAddr => "127.0.0.1:4000");
for my $i (1..150) {
    $own->send(pack("CCnNN", 0x80, 8, 1000 + $i, 5000 + 160 * $i, 8) . ("\\xd5" x 160));
    select(undef, undef, undef, 0.02);
}
"""


def listed(*found: tuple[UdpSocket, int, int, int]) -> SocketHistory:
    """A history of sockets with owners, listed at two times."""
    history = SocketHistory()
    for one, owner, first_ns, last_ns in found:
        for owned in history.look([one], first_ns):
            owned.owner = owner
        history.look([one], last_ns)
    return history


def owner(history: SocketHistory, from_ns: int = 10, to_ns: int = 20) -> int | None:
    owned = history.sender(HERE, THERE, from_ns, to_ns)
    return None if owned is None else owned.owner


def test_the_connected_socket_counts_before_the_bound_one_before_any_address():
    connected = UdpSocket(HERE, THERE, 0, 1), 11, 0, 30
    bound = UdpSocket(HERE, ANYWHERE, 0, 2), 12, 0, 30
    anywhere = UdpSocket(("::", 4000), ("::", 0), 0, 3), 13, 0, 30
    assert owner(listed(anywhere, bound, connected)) == 11
    assert owner(listed(anywhere, bound)) == 12
    assert owner(listed(anywhere)) == 13


def test_sockets_of_other_ports_addresses_and_peers_do_not_count():
    others = (
        UdpSocket(("192.0.2.1", 4001), ANYWHERE, 0, 1),
        UdpSocket(("192.0.2.2", 4000), ANYWHERE, 0, 2),
        UdpSocket(HERE, ("192.0.2.9", 5001), 0, 3),
    )
    assert owner(listed(*((one, 1, 0, 30) for one in others))) is None


def test_a_port_that_changes_hands_belongs_to_who_had_it_then():
    early, late = UdpSocket(HERE, ANYWHERE, 0, 1), UdpSocket(HERE, ANYWHERE, 0, 2)
    history = listed((early, 11, 0, 9), (late, 12, 10, 30))
    assert owner(history, 1, 8) == 11
    assert owner(history, 11, 20) == 12


def test_two_processes_at_one_port_at_once_name_nobody():
    one, other = UdpSocket(HERE, ANYWHERE, 0, 1), UdpSocket(HERE, ANYWHERE, 0, 2)
    assert owner(listed((one, 11, 0, 30), (other, 12, 0, 30))) is None


def test_a_second_program_that_joins_at_the_same_port_leaves_nobody_named():
    one, other = UdpSocket(HERE, ANYWHERE, 0, 1), UdpSocket(HERE, ANYWHERE, 0, 2)
    assert owner(listed((one, 11, 0, 30), (other, 12, 15, 30))) is None
    assert owner(listed((one, 11, 0, 30), (other, 12, 25, 30))) == 11, "it came after the flow"
    assert owner(listed((one, 11, 0, 30), (other, 11, 15, 30))) == 11, "two workers of one program"


def test_a_port_may_be_of_two_programs_one_for_each_version_of_ip():
    four, six = UdpSocket(("0.0.0.0", 4000), ANYWHERE, 0, 1), UdpSocket(("::", 4000), ("::", 0), 0, 2)
    history = listed((four, 11, 0, 30), (six, 12, 0, 30))
    assert owner(history) == 11
    told = history.sender(("2001:db8::1", 4000), ("2001:db8::9", 5000), 10, 20)
    assert told is not None
    assert told.owner == 12
    assert listed((four, 11, 0, 30)).sender(("2001:db8::1", 4000), ("2001:db8::9", 5000), 10, 20) is None


def test_a_link_local_address_is_of_this_machine():
    found = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    local = [ipaddress.IPv6Address(bytes.fromhex(line[0])) for line in found if line[0].startswith("fe80")]
    if not local:
        pytest.skip("no interface has a link-local address")
    assert _is_here(str(local[0]))
    assert not _is_here("fe80::dead:beef:dead:beef")


def test_a_socket_that_nobody_holds_any_more_is_no_news():
    assert SocketHistory().look([UdpSocket(HERE, THERE, 0, 0)], 1) == []


def test_what_another_machine_sends_from_a_port_that_is_open_here_is_not_ours():
    watch = SocketWatch()
    recorder = Recorder(io.BytesIO(), "a.pcapng", watch)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("", 0))
        watch.look()
        flow = LINPHONE._replace(src_port=own.getsockname()[1])
        for each in (flow, flow._replace(src_ip="127.0.0.1")):
            recorder.add(FlowReport(verdict(each), summary(each)))
        recording = recorder.finish()
    assert recording.refused == {NOT_HERE: 1}
    assert [(row["src_ip"], row["dst_ip"]) for row in recording.labels] == [("127.0.0.1", flow.dst_ip)]


@pytest.mark.parametrize("written", [b"something,else\n", b"capture,application\xe9\n"])
def test_labels_that_cannot_be_continued_are_noticed_before_the_recording(tmp_path, capsys, written):
    (tmp_path / "flows.csv").write_bytes(written)
    assert main(["record", "--interface", "no-such-interface", str(tmp_path)]) == 4
    assert "flows.csv" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["flows.csv"]


def test_labels_are_added_and_further_columns_stay(tmp_path):
    path = tmp_path / "flows.csv"
    path.write_text("capture,src_ip,src_port,dst_ip,dst_port,application,mood\na.pcap,1,2,3,4,x,good\n")
    add_labels(tmp_path, [{"capture": "b.pcap", "application": "y"}])
    rows = list(csv.DictReader(path.open()))
    assert [(row["capture"], row["application"], row["mood"]) for row in rows] == [
        ("a.pcap", "x", "good"),
        ("b.pcap", "y", ""),
    ]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as a spreadsheet saves it
    add_labels(tmp_path, [])
    assert path.read_text().startswith("dataset,capture,")
    path.write_text("something,else\n")
    with pytest.raises(DatasetError, match="does not label flows"):
        add_labels(tmp_path, [])


def test_labels_are_their_owners_alone_and_a_link_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "flows.new").symlink_to(secret)
    add_labels(folder, [{"capture": "b.pcap", "application": "y"}])
    assert secret.read_text() == "secret"
    assert (folder / "flows.csv").stat().st_mode & 0o777 == 0o600


def test_of_two_recordings_that_end_at_once_neither_loses_its_labels(tmp_path):
    def add(number: int) -> None:
        add_labels(tmp_path, [{"capture": f"{number}.pcap", "application": "y"}])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    rows = list(csv.DictReader((tmp_path / "flows.csv").open()))
    assert sorted(row["capture"] for row in rows) == sorted(f"{number}.pcap" for number in range(40))


@pytest.mark.live
@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "perl"))),
    reason="needs root, unshare (util-linux), ip (iproute2) and perl",
)
def test_two_programs_on_loopback_are_told_apart(tmp_path):
    (tmp_path / "phone.py").write_text(PHONE)
    (tmp_path / "speaker.pl").write_text(SPEAKER)
    run = textwrap.dedent(f"""
        ip link set lo up
        {sys.executable} -m callprint record --interface lo --seconds 8 {tmp_path}/calls & recording=$!
        while [ -z "$(ls {tmp_path}/calls 2>/dev/null)" ]; do sleep 0.05; done
        sleep 0.5
        cd {tmp_path}
        {sys.executable} phone.py & perl ./speaker.pl & wait $recording
    """)
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", run], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    dataset, report = build_dataset(tmp_path / "calls")
    assert sorted(dataset.application.tolist()) == ["phone", "speaker"]
    assert min(dataset.packets.tolist()) >= 100
    assert report.labels_without_flow == report.unlabelled_flows == 0
    versions = dict(zip(dataset.application.tolist(), dataset.version.tolist(), strict=True))
    assert versions["phone"] == f"sha256 {hashlib.sha256(PHONE.encode()).hexdigest()[:12]}"
    assert len(set(dataset.call.tolist())) == 1
    assert not list((tmp_path / "calls").glob("*.part"))
