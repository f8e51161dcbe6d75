"""Datasets: contradictions between labels and captures name file and line; what is stored comes back unchanged."""

import csv
import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from evidence_logs import rtp

from callprint.cli import main
from callprint.core.evidence import split
from callprint.core.ground.errors import DatasetError
from callprint.training.dataset import build_dataset, load_dataset, read_labels, save_dataset, whole_flows

COLUMNS = (
    "capture",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "application",
    "kind",
    "dataset",
    "call",
    "codec",
)


def ethernet_udp(source: int, target: int, payload: bytes) -> bytes:
    udp = struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return b"\0" * 12 + b"\x08\0" + ip + udp


def write_capture(path, ports, packets=20):
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(packets):
            for source, target in ports:
                frame = ethernet_udp(source, target, rtp(i, 160 * i, ssrc=source))
                file.write(
                    struct.pack("<IIII", 1000 + i // 50, i % 50 * 20_000, len(frame), len(frame)) + frame
                )


def write_out_of_order(path, ordered):
    """Write the packets of a capture with every second pair swapped."""
    whole = ordered.read_bytes()
    size = 16 + len(ethernet_udp(1, 2, rtp(0, 0)))
    packets = [whole[at : at + size] for at in range(24, len(whole), size)]
    for number in range(0, len(packets) - 3, 4):
        packets[number], packets[number + 1] = packets[number + 1], packets[number]
    path.write_bytes(whole[:24] + b"".join(packets))


def write_labels(folder, *rows):
    with (folder / "flows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def label(source, target, application="zoiper", capture="a.pcap", kind="rtp"):
    return (capture, "10.0.0.1", source, "10.0.0.2", target, application, kind, "dataset1", "call-1", "PCMU")


@pytest.fixture
def folder(tmp_path):
    write_capture(tmp_path / "a.pcap", [(4000, 5000), (6000, 7000)])
    return tmp_path


def test_flows_get_their_labels_and_the_rest_is_counted(folder):
    write_labels(folder, label(4000, 5000), label(4001, 5001, kind="rtcp"), label(1, 2))
    dataset, report = build_dataset(folder)
    assert (report.captures, report.flows, report.unlabelled_flows, report.labels_without_flow) == (
        1,
        1,
        1,
        1,
    )
    assert dataset.application.tolist() == ["zoiper"]
    assert dataset.engine.tolist() == ["zoiper"]
    assert dataset.packets.tolist() == [20]
    records = split(dataset.buffer[dataset.spans[0, 0] : dataset.spans[0, 1]])
    assert [payload for _, _, payload in records] == [rtp(i, 160 * i, ssrc=4000) for i in range(20)]


def test_packets_are_read_in_the_order_of_their_times_as_in_identify(folder):
    write_capture(folder / "one.pcap", [(4000, 5000)])
    write_out_of_order(folder / "mixed.pcap", folder / "one.pcap")
    assert (folder / "mixed.pcap").read_bytes() != (folder / "one.pcap").read_bytes()
    assert whole_flows(folder / "mixed.pcap") == whole_flows(folder / "one.pcap")


def test_a_path_is_printed_as_it_is_whatever_it_means_in_markup(folder, capsys):
    write_labels(folder, label(4000, 5000))
    target = folder / "a[" / "b].npz"
    target.parent.mkdir()
    assert main(["dataset", "build", "--data", str(folder), "--out", str(target)]) == 0
    assert f"{target}: 1 flows" in capsys.readouterr().err


def test_what_is_stored_comes_back(folder, tmp_path):
    write_labels(folder, label(4000, 5000), label(6000, 7000, "bria"))
    dataset, _ = build_dataset(folder)
    save_dataset(dataset, tmp_path / "stored.npz")
    assert (tmp_path / "stored.npz").stat().st_mode & 0o777 == 0o600  # voice is in it
    again = load_dataset(tmp_path / "stored.npz")
    assert again.digest == dataset.digest
    assert again.of_split("dataset1").tolist() == [0, 1]
    assert again.of_split("dataset2").tolist() == []


def test_a_dataset_that_cannot_be_written_is_an_error_with_its_name(folder, capsys):
    write_labels(folder, label(4000, 5000))
    for target, why in (("/dev/full", "No space"), (str(folder / "flows.csv" / "d.npz"), "")):
        assert main(["dataset", "build", "--data", str(folder), "--out", target]) == 4
        assert f"{target} cannot be written: {why}" in capsys.readouterr().err
    assert main(["dataset", "build", "--data", str(folder), "--out", str(folder / "new" / "d.npz")]) == 0


def test_without_any_application_nothing_is_written(folder, capsys):
    write_labels(folder, label(4000, 5000))
    build = ["dataset", "build", "--data", str(folder), "--out", str(folder / "d.npz"), "--without"]
    assert main([*build, "zoiper"]) == 4
    assert "no other application" in capsys.readouterr().err
    assert not (folder / "d.npz").exists()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([label(4000, 5000), label(4000, 5000, "bria")], "line 3: the same flow as in line 2"),
        ([label("x", 5000)], "line 2: a port is not a number"),
        ([label(4000, 5000, "")], "line 2: no application"),
        ([label(4000, 5000)[:4]], "line 2: the number of fields differs"),
        ([label(4000, 5000, capture="b.pcap")], "line 2: .*b.pcap: no such file"),
        ([label(4000, 5000, capture="../a.pcap")], "line 2: .* lies outside"),
        ([label(4000, 5000, capture="a\0.pcap")], "line 2: 'a.x00.pcap' names no file"),
        ([label(4000, 5000, capture="loop.pcap")], "line 2: .*loop.pcap"),
        ([label(4000, 5000, kind="rtcp")], "labels no flow"),
        ([label(1, 2)], "no capture holds a flow"),
    ],
)
def test_a_contradiction_names_file_and_line(folder, rows, problem):
    write_labels(folder, *rows)
    (folder / "loop.pcap").symlink_to("loop.pcap")
    with pytest.raises(DatasetError, match=f"(?s){problem}"):
        build_dataset(folder)


def test_missing_columns_and_files(tmp_path):
    with pytest.raises(DatasetError, match=r"No such file.*`callprint record`"):
        read_labels(tmp_path / "flows.csv")
    (tmp_path / "flows.csv").write_text("capture,application\na,b\n")
    with pytest.raises(DatasetError, match="line 1: no column src_ip"):
        read_labels(tmp_path / "flows.csv")
    (tmp_path / "flows.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="UTF-8"):
        read_labels(tmp_path / "flows.csv")


def test_a_table_that_a_spreadsheet_saved_keeps_its_first_column(folder):
    write_labels(folder, label(4000, 5000))
    table = (folder / "flows.csv").read_text().replace(",dataset,", ",part,").splitlines()
    table = [f"\ufeffdataset,{table[0]}", *(f"dataset2,{line}" for line in table[1:])]
    (folder / "flows.csv").write_text("\n".join(table), encoding="utf-8")
    assert build_dataset(folder)[0].split.tolist() == ["dataset2"]


def test_files_that_are_no_dataset(folder, tmp_path):
    stored = tmp_path / "d.npz"
    for content in (b"", b"no zip", b"PK\x03\x04" + b"\0" * 40):
        stored.write_bytes(content)
        with pytest.raises(DatasetError):
            load_dataset(stored)
    with pytest.raises(DatasetError, match="No such file"):
        load_dataset(tmp_path / "none.npz")
    np.savez(stored, buffer=np.array([object()], dtype=object))
    with pytest.raises(DatasetError, match="`callprint dataset build` makes one"):
        load_dataset(stored)


def test_spans_outside_the_buffer_are_refused(folder, tmp_path):
    write_labels(folder, label(4000, 5000))
    dataset, _ = build_dataset(folder)
    dataset.spans[0, 1] += 1
    save_dataset(dataset, tmp_path / "d.npz")
    with pytest.raises(DatasetError, match="spans"):
        load_dataset(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (8, 0),
        (9, 200),
        (9, 1),
        (10, 9),
    ],  # an RTP packet of no bytes, one beyond the end, a long one, another kind
)
def test_what_is_no_evidence_is_refused(folder, tmp_path, at, value):
    write_labels(folder, label(4000, 5000))
    dataset, _ = build_dataset(folder)
    buffer = dataset.buffer.copy()
    buffer[at] = value
    save_dataset(replace(dataset, buffer=buffer), tmp_path / "d.npz")
    with pytest.raises(DatasetError, match="no evidence"):
        load_dataset(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("application", np.zeros_like),
        ("packets", lambda array: array.astype(str)),
        ("packets", lambda array: array[0]),
        ("spans", lambda array: array[:, 0]),
        ("buffer", lambda array: array.astype(np.float32)),
    ],
)
def test_columns_of_another_kind_are_refused(folder, tmp_path, name, change):
    write_labels(folder, label(4000, 5000))
    dataset, _ = build_dataset(folder)
    changed = change(np.ones(1) if name == "application" else getattr(dataset, name))
    save_dataset(replace(dataset, **{name: changed}), tmp_path / "d.npz")
    with pytest.raises(DatasetError):
        load_dataset(tmp_path / "d.npz")


def test_damaged_files_load_or_are_refused(folder, tmp_path):
    write_labels(folder, label(4000, 5000))
    dataset, _ = build_dataset(folder)
    save_dataset(dataset, tmp_path / "d.npz")
    data = (tmp_path / "d.npz").read_bytes()
    rng = np.random.default_rng(4)
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] = rng.integers(256)
        (tmp_path / "d.npz").write_bytes(damaged[: int(rng.integers(1, len(data) + 1))])
        with suppress(DatasetError):
            load_dataset(tmp_path / "d.npz")
