"""What earlier works looked at: packet lengths, nDPI's labels, ports."""

import csv
import shutil
import stat

import numpy as np
import pytest
from evidence_logs import pack, record, rtp, steady_flow

from callprint.lab.paper.earlier_works import (
    NDPI,
    measure_ndpi,
    measure_ports,
    ndpi_labels,
    yildirim_share,
)
from callprint.training.dataset import Dataset
from callprint.training.statistics import Proportion

LABELS = [
    ("dataset1", "a.pcap", "10.0.0.1", 4000, "10.0.0.2", 9000, "alpha"),
    ("dataset1", "a.pcap", "10.0.0.2", 9000, "10.0.0.1", 4000, "alpha"),
    ("dataset1", "b.pcap", "10.0.0.1", 5000, "10.0.0.2", 9001, "beta"),
    ("dataset2", "c.pcap", "10.0.0.1", 4000, "10.0.0.2", 9002, "alpha"),
    ("dataset2", "d.pcap", "10.0.0.1", 5000, "10.0.0.2", 9003, "beta"),
    ("dataset2", "e.pcap", "10.0.0.1", 5000, "10.0.0.2", 9004, "alpha"),
]


@pytest.fixture
def folder(tmp_path):
    with (tmp_path / "flows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["dataset", "capture", "src_ip", "src_port", "dst_ip", "dst_port", "application"])
        table.writerows(LABELS)
    return tmp_path


def test_ports_say_what_training_saw_on_them(folder):
    found = measure_ports(folder, ["dataset2"], seed=1)
    assert found.right == {"dataset2": Proportion(2, 3)}


def test_an_ndpi_label_stands_for_the_application_that_had_it_most(folder, tmp_path, monkeypatch):
    """A program in nDPI's place, so that its labels are known: captures a and c are STUN, the others RTP."""
    program = tmp_path / "bin" / NDPI
    program.parent.mkdir()
    ports = {"a": (4000, 9000), "b": (5000, 9001), "c": (4000, 9002), "d": (5000, 9003)}
    cases = "".join(
        f"*/{name}.pcap) echo 10.0.0.1,{pair[0]},10.0.0.2,{pair[1]},{'STUN' if name in 'ac' else 'RTP'};;\n"
        for name, pair in ports.items()
    )
    program.write_text(
        f"#!/bin/sh\n{{ echo src_ip,src_port,dst_ip,dst_port,ndpi_proto; case $3 in\n{cases}esac; }} > $5\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    found, says = measure_ndpi(folder, ["dataset2"], tmp_path / "cache")
    assert found.right == {"dataset2": Proportion(2, 3)}  # of e.pcap nDPI says nothing
    assert says == "STUN (1), RTP (1), none (1)"
    program.unlink()
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert measure_ndpi(folder, ["dataset2"], tmp_path / "cache")[1] == says  # from the cache


def test_without_ndpi_there_is_no_such_row(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert measure_ndpi(folder, ["dataset2"], tmp_path) is None


@pytest.mark.skipif(shutil.which(NDPI) is None, reason="needs ndpiReader (Debian package libndpi-bin)")
def test_the_real_ndpi_labels_a_real_call(labelled_calls):
    found = ndpi_labels(labelled_calls / "dataset2" / "chromium-000.pcap")
    assert all(len(endpoints) == 2 for endpoints in found)
    assert "STUN" in found.values()


def test_yildirims_rule_is_60_to_150_bytes():
    short = b"".join(record(i, rtp(i, 80 * i, b"\0" * 80)) for i in range(12))  # 120 bytes with all headers
    buffer, spans = pack([short, steady_flow(12)])  # 200 bytes
    text = np.array(["one", "two"])
    split = np.array(["dataset2", "dataset2"])
    dataset = Dataset(buffer, spans, np.array([12, 12]), text, text, split, text, text, text, text, text)
    assert yildirim_share(dataset, "dataset2") == Proportion(1, 2)
