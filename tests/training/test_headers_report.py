"""The report on verdicts by headers alone, from a folder of labelled captures."""

import struct

import pytest
from evidence_logs import rtp
from frames import DESTINATION, SOURCE, ethernet, ipv4, udp

from callprint.inference import DEFAULT_MODEL, load_model

pytestmark = pytest.mark.training


def write_calls(folder):
    """Two calls to a split, each of a flow of short packets and one of long ones."""
    lines = ["capture,src_ip,src_port,dst_ip,dst_port,application,dataset,call"]
    for split in ("dataset2", "cross"):
        for call in range(2):
            name = f"{split}-{call}.pcap"
            frames = [
                ethernet(ipv4(udp(rtp(number, 160 * number, bytes(size), ssrc=size), 4000 + size, 5000)))
                for number in range(120)
                for size in (160, 400)
            ]
            records = [
                struct.pack("<IIII", 1000 + i // 100, i % 100 * 10_000, len(frame), len(frame)) + frame
                for i, frame in enumerate(frames)
            ]
            head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
            (folder / name).write_bytes(head + b"".join(records))
            lines += [
                f"{name},{SOURCE},{4000 + size},{DESTINATION},5000,baresip,{split},{split}-{call}"
                for size in (160, 400)
            ]
    (folder / "flows.csv").write_text("\n".join(lines) + "\n")


def test_the_report_has_a_row_for_every_view_with_and_without_payloads(tmp_path):
    from callprint.lab.identification import headers_report  # noqa: PLC0415 - needs the extra `train`
    from callprint.training.dataset import build_dataset  # noqa: PLC0415

    write_calls(tmp_path)
    long = list(headers_report.header_flows(tmp_path))
    assert [(flow.label.split, flow.label.quad.src_port) for flow in long] == [
        (split, 4400) for split in ("dataset2", "dataset2", "cross", "cross")
    ]
    dataset, _ = build_dataset(tmp_path)
    path = tmp_path / "headers.md"
    headers_report.write_report(tmp_path, dataset, load_model(DEFAULT_MODEL), path)
    text = path.read_text()
    assert text.count("| dataset2 | horizon | packets | 2 |") == 1
    assert text.count("| dataset2 | horizon | headers | 2 |") == 1
    assert "| cross | 2 |" in text.rsplit("##", 1)[1]
