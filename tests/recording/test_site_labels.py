"""Flows of one's own site as training data: each gate, the split, and the folder that comes out."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evidence_logs import steady_flow
from verdict_samples import LINPHONE, START_NS, summary, verdict

from callprint.cli import main
from callprint.core.dissect import dissect
from callprint.core.ground.errors import DatasetError
from callprint.core.packets import PacketKind
from callprint.core.verdict import FlowKey
from callprint.output.pcapng_writer import PcapngWriter
from callprint.recording import site_labels as gates
from callprint.recording.site_dataset import capture_candidates, store_candidates, write_site_dataset
from callprint.recording.site_labels import Bounds, Candidate, choose
from callprint.sources import open_captures
from callprint.stores import open_store
from callprint.training.dataset import build_dataset, read_labels
from callprint.unknowns.naming import flow_capture

CALLS = Path(__file__).parents[3] / "shared" / "data" / "calls"
ANY = Bounds(least_calls=1, test_share=0)


def candidate(number: int = 0, **changes) -> Candidate:
    """A flow of call `number` that nothing speaks against."""
    flow = FlowKey("192.0.2.1", 4000 + 2 * number, "192.0.2.9", 5000, number, START_NS + number * 10**9)
    sample = Candidate(
        flow=flow,
        capture="a.pcap",
        call=f"call {number}",
        sender=f"+49{number}",
        receiver="+1",
        application="yealink",
        version="66",
        called=None,
        engine="yealink",
        is_stack=False,
        by_host=False,
        relayed=False,
        midflow=False,
        packets=100,
        first_sequence=number,
    )
    return replace(sample, **changes)


def reasons(*candidates: Candidate, bounds: Bounds = ANY) -> list[str]:
    return [each.reason for each in choose(candidates, bounds)[1]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"application": None}, gates.NO_NAME),
        ({"by_host": True}, gates.BY_HOST),
        ({"application": None, "called": "snom"}, gates.ELSEWHERE),
        ({"called": "snom"}, gates.CONTRADICTED),
        ({"is_stack": True}, gates.STACK),
        ({"relayed": True}, gates.RELAYED),
        ({"midflow": True}, gates.MIDFLOW),
        ({"packets": 19}, gates.SHORT),
    ],
)
def test_what_speaks_against_a_flow_itself(changes, reason):
    good = candidate(1, called="yealink")
    assert reasons(candidate(2, **changes), good) == [reason]


def test_one_stream_counts_once_and_a_source_that_began_anew_later_again():
    first = candidate()
    passed_on = replace(first, flow=first.flow._replace(src_ip="192.0.2.7", first_seen_ns=START_NS + 9))
    moved = first.flow._replace(first_seen_ns=START_NS + 60 * 10**9)
    later = replace(first, flow=moved, call="later", capture="b.pcap")
    assert reasons(first, passed_on, later) == [gates.DOUBLE]


def test_a_subscriber_with_several_products_teaches_none():
    found = [candidate(0), candidate(1, sender="+490", application="snom"), candidate(2)]
    assert reasons(*found) == [gates.SEVERAL, gates.SEVERAL]


def test_flows_between_the_same_ports_of_a_capture_have_one_label():
    first = candidate(0)
    again = replace(first, flow=first.flow._replace(ssrc=9), first_sequence=9)
    assert reasons(first, again) == [gates.SAME_PORTS]
    assert reasons(first, replace(again, capture="b.pcap")) == []
    assert reasons(first, replace(again, sender="+9", application="snom")) == [gates.SAME_PORTS] * 2
    kept = [replace(each, capture="") for each in (first, again)]
    assert reasons(*kept) == []


def test_a_sender_that_changes_its_source_gives_a_dataset_that_can_be_read(tmp_path):
    first = candidate(0)
    again = replace(first, flow=first.flow._replace(ssrc=9, first_seen_ns=START_NS + 10**9), first_sequence=9)
    path = tmp_path / "a.pcap"
    one, other = (
        flow_capture(each.flow, steady_flow(30, start_ns=each.flow.first_seen_ns, ssrc=each.flow.ssrc))
        for each in (first, again)
    )
    path.write_bytes(one + other[24:])  # without the head of the file
    found = [replace(each, capture=str(path)) for each in (first, again)]
    write_site_dataset(tmp_path / "site", choose(found, ANY)[0])
    dataset, report = build_dataset(tmp_path / "site")
    assert dataset.packets.tolist() == [30, 30]
    assert report.other_sources == 1


def test_an_application_needs_calls_and_one_version_cannot_crowd_out_the_rest():
    found = [candidate(i) for i in range(6)] + [candidate(9, application="snom", sender="+9")]
    bounds = Bounds(least_calls=2, most_flows=4, test_share=0)
    assert reasons(*found, bounds=bounds) == [gates.RARE, gates.ENOUGH, gates.ENOUGH]


def test_calls_for_the_test_alone_are_not_counted_as_calls_to_train_on():
    bounds = Bounds(test_share=0.2)
    sides = {choose([candidate(i)], Bounds(least_calls=1))[0][0].split: i for i in range(40)}
    to_train, to_test = sides["dataset1"], sides[gates.TEST_SPLIT]

    def calls(trained: int, tested: int) -> list[Candidate]:
        senders = [f"+49{to_train}"] * trained + [f"+49{to_test}"] * tested
        return [candidate(i, sender=sender) for i, sender in enumerate(senders)]

    assert reasons(*calls(2, 4), bounds=bounds) == [gates.RARE, gates.RARE]
    assert reasons(*calls(3, 4), bounds=bounds) == []
    assert reasons(*calls(0, 5), bounds=bounds) == []


def test_no_call_and_no_subscriber_is_on_both_sides_of_the_split():
    found = [candidate(i, receiver=f"+49{i + 1}") for i in range(300)]
    taken, refused = choose(found, Bounds(test_share=0.3))
    sides = {split: [each.candidate for each in taken if each.split == split] for _, split in taken}
    assert set(sides) == {"dataset1", gates.TEST_SPLIT}
    assert all(len(each) > 40 for each in sides.values())
    assert {each.reason for each in refused} == {gates.DIVIDED}
    learned = {name for each in sides["dataset1"] for name in (each.sender, each.receiver)}
    assert learned.isdisjoint(each.sender for each in sides[gates.TEST_SPLIT])
    assert choose(found, Bounds(test_share=0.3))[0] == taken


@pytest.mark.skipif(not CALLS.exists(), reason="needs the calls in ../shared/data")
def test_calls_whose_signalling_is_clear_become_a_dataset(tmp_path, capsys):
    captures = [str(CALLS / "dataset1" / f"{name}.pcap") for name in ("linphone-000", "freeswitch-001")]
    captures = [path for path in captures if Path(path).exists()]
    assert captures
    folder = tmp_path / "site"
    assert main(["dataset", "label", *captures, "--least-calls", "1", "--out", str(folder)]) == 0
    assert "taken" in capsys.readouterr().err
    truth = {(label.quad, label.application) for label in read_labels(CALLS / "flows.csv")}
    labels = read_labels(folder / "flows.csv")
    assert {(label.quad, label.application) for label in labels} <= truth
    dataset, report = build_dataset(folder)
    assert len(dataset.packets) == len(labels)
    assert report.labels_without_flow == report.unlabelled_flows == 0
    with pytest.raises(DatasetError, match="holds labels already"):
        write_site_dataset(folder, [])
    assert main(["dataset", "label", "no-such.pcap", "--out", str(folder)]) != 0
    said = capsys.readouterr().err
    assert "holds labels already" in said
    assert "no-such" not in said  # nothing was read before


def test_kept_evidence_of_a_store_becomes_a_dataset(tmp_path):
    flow = LINPHONE._replace(first_seen_ns=START_NS)
    named = verdict(flow, "unknown", reason="novel", declared_application="yealink", declared_by="stun")
    log = steady_flow(30, start_ns=START_NS, ssrc=flow.ssrc)
    with open_store(f"sqlite:{tmp_path}/calls.sqlite") as store:
        store.put_verdicts([named])
        store.put_flows([summary(flow)])
        store.put_unknown_evidence([(replace(named, k=30), log)])
        taken, refused = choose(list(store_candidates(store)), ANY)
    assert refused == []
    write_site_dataset(tmp_path / "site", taken)
    dataset, _ = build_dataset(tmp_path / "site")
    assert (dataset.application.tolist(), dataset.packets.tolist()) == (["yealink"], [30])


def test_without_captures_and_store_it_is_wrong_usage(tmp_path, capsys):
    assert main(["dataset", "label", "--out", str(tmp_path / "x")]) == 2
    assert "name captures or a --store" in capsys.readouterr().err


def test_captures_of_which_none_can_be_read_are_an_error(tmp_path, capsys):
    assert main(["dataset", "label", "no-such.pcap", "--out", str(tmp_path / "x")]) == 4
    assert "no-such.pcap" in capsys.readouterr().err


def test_a_store_that_there_is_not_is_an_error_and_is_not_made(tmp_path, capsys):
    store = tmp_path / "mistyped.sqlite"
    assert main(["dataset", "label", "--store", str(store), "--out", str(tmp_path / "x")]) == 4
    assert "mistyped.sqlite" in capsys.readouterr().err
    assert not store.exists()


def test_each_capture_of_a_folder_is_read_by_its_own_clock(tmp_path):
    (tmp_path / "notes.txt").write_text("no capture")
    flow = LINPHONE._replace(first_seen_ns=START_NS)
    for name, earlier_ns, ssrc in (("a.pcap", 0, 7), ("b.pcap", 10**9, 8)):
        log = steady_flow(100, start_ns=START_NS - earlier_ns, ssrc=ssrc)
        (tmp_path / name).write_bytes(flow_capture(flow, log))
    found = capture_candidates([tmp_path], pytest.fail)
    assert [(Path(each.capture).name, each.flow.ssrc) for each in found] == [("a.pcap", 7), ("b.pcap", 8)]


@pytest.mark.skipif(not CALLS.exists(), reason="needs the calls in ../shared/data")
def test_a_capture_that_was_rotated_between_signalling_and_media_keeps_its_labels(tmp_path):
    (source,) = (CALLS / "dataset1").glob("twinkle-000.pcap")
    data, records = next(iter(open_captures([source])))
    media = np.cumsum(np.isin(dissect(data, records)["kind"], (PacketKind.RTP, PacketKind.RTP_LONG))) > 0
    for name, part in (("0.pcapng", ~media), ("1.pcapng", media)):
        with (tmp_path / name).open("wb") as stream:
            PcapngWriter(stream).write(data, records[part])
    whole = capture_candidates([source], pytest.fail)
    rotated = capture_candidates([tmp_path], pytest.fail)
    named = [(each.flow, each.application, each.call) for each in whole]
    assert {application for _, application, _ in named} == {"twinkle"}
    assert [(each.flow, each.application, each.call) for each in rotated] == named
    assert {Path(each.capture).name for each in rotated} == {"1.pcapng"}


def test_the_name_of_a_capture_need_not_be_utf8(tmp_path):
    named = os.fsdecode(b"caf\xe9.pcap")
    (tmp_path / named).write_bytes(flow_capture(LINPHONE, steady_flow(30, start_ns=START_NS)))
    (found,) = capture_candidates([tmp_path / named], pytest.fail)
    write_site_dataset(tmp_path / "site", choose([replace(found, application="yealink")], ANY)[0])
    assert build_dataset(tmp_path / "site")[0].application.tolist() == ["yealink"]


def test_a_pipe_whose_packets_could_not_be_written_is_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for capture in ("-", str(tmp_path / "pipe")):
        assert main(["dataset", "label", capture, "--out", str(tmp_path / "x")]) == 4
        assert "can be read only once" in capsys.readouterr().err
