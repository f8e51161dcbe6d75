"""The accuracy report on a handful of flows: what it counts, and that it draws its pictures."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evidence_logs import pack, steady_flow
from report_sections import sections

from callprint.core.ground.errors import DatasetError
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.lab.identification.processor import processor
from callprint.training.dataset import Dataset

pytestmark = pytest.mark.training

SAMPLE = Path(__file__).parents[2] / "samples" / "applications.pcapng"


@pytest.fixture(scope="module")
def report():
    pytest.importorskip("matplotlib", reason="needs the extra `train`")
    from callprint.lab.identification import report  # noqa: PLC0415 - needs matplotlib

    return report


@pytest.fixture
def dataset() -> Dataset:
    """Six flows that count and one that is too short; how the model names them does not matter here."""
    splits = ["dataset2"] * 4 + ["cross"] * 3
    names = ["sipp", "sipp", "pion", "vlc", "sipp", "jami", "sipp"]
    sizes = [260, 260, 120, 20, 260, 260, 9]
    buffer, spans = pack([steady_flow(size, sequence=7 * i) for i, size in enumerate(sizes)])
    text = np.array(names)
    calls = np.array([f"call-{i}" for i in range(len(names))])
    return Dataset(
        buffer, spans, np.array(sizes), text, text, np.array(splits), calls, text, text, text, text
    )


def test_a_report_counts_flows_and_draws_pictures(report, dataset, tmp_path):
    out = tmp_path / "report.md"
    report.write_report(dataset, load_model(DEFAULT_MODEL), out, "callprint evaluate")
    text = out.read_text()
    assert "Made by `callprint evaluate`" in text
    assert "4 flows of 4 calls, 3 applications" in text
    assert "2 flows of 2 calls, 2 applications. 1 further flows" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| dataset2 | ")]
    counted = {view: count for _split, view, count, *_rest in reversed(rows)}
    assert counted["first 10 packets"] == "4"
    assert counted["from the 150th packet"] == "2"  # only two flows have ten packets from there on
    for name in ("accuracy-by-k", "confusion-dataset2", "confusion-cross", "reliability"):
        assert (tmp_path / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_calls_for_testing_count_whatever_their_part_is_called(report, dataset, tmp_path):
    out = tmp_path / "report.md"
    site = replace(dataset, split=np.where(dataset.split == "cross", "dataset1", "site-test"))
    report.write_report(site, load_model(DEFAULT_MODEL), out, "callprint evaluate")
    assert "- **site-test**: other calls; 4 flows of 4 calls, 3 applications" in out.read_text()
    training = replace(dataset, split=np.full(len(dataset.split), "dataset1"))
    with pytest.raises(DatasetError, match="no call for testing"):
        report.write_report(training, load_model(DEFAULT_MODEL), tmp_path / "none.md", "callprint evaluate")


def test_calibration_error():
    from callprint.lab.identification.views_report import (  # noqa: PLC0415 - needs matplotlib
        expected_calibration_error,
    )

    confidence = np.array([0.95] * 10 + [0.55] * 10)
    assert expected_calibration_error(confidence, np.array([True] * 10 + [False] * 10)) == pytest.approx(0.3)
    right = np.array([True] * 19 + [False])
    assert expected_calibration_error(np.full(20, 0.95), right) == pytest.approx(0.0)


def test_a_report_without_training_runs_has_these_sections(report, dataset, tmp_path):
    out = tmp_path / "report.md"
    report.write_report(dataset, load_model(DEFAULT_MODEL), out, "callprint evaluate")
    titles = [line[3:] for line in out.read_text().splitlines() if line.startswith("## ")]
    assert titles == sections(seeds=0, training=False)


def test_flows_of_applications_that_the_model_does_not_know_do_not_count(report, dataset, tmp_path):
    names = np.where(dataset.application == "jami", "stranger", dataset.application)
    out = tmp_path / "report.md"
    report.write_report(
        replace(dataset, application=names), load_model(DEFAULT_MODEL), out, "callprint evaluate"
    )
    text = out.read_text()
    assert "1 flows of 1 calls, 1 applications. 1 further flows" in text
    apart = text.split("Flows of applications that the model does not know")[1].split("\n## ")[0]
    assert "| cross | horizon | 1 |" in apart
    assert "dataset2" not in apart


def test_captures_of_known_applications_are_listed_apart(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra `train`")
    from callprint.lab.identification import strangers_report  # noqa: PLC0415 - needs matplotlib
    from callprint.lab.identification.report_text import Report  # noqa: PLC0415

    folder = tmp_path / "public"
    folder.mkdir()
    for name in ("phone.pcap", "sipp.pcap"):
        shutil.copy(SAMPLE, folder / name)
    (folder / "noise.pcap").write_bytes(b"no capture")
    (folder / "manifest.csv").write_text("file,app\nphone.pcap,Viber\nsipp.pcap,SIPp scenario\nnoise.pcap,\n")
    model = load_model(DEFAULT_MODEL)
    report = Report(tmp_path / "report.md")
    strangers_report.strangers_section(report, folder, model)
    flows = len(strangers_report.judge_capture(SAMPLE, model))
    assert flows
    strangers, known = report.text.split("further flows are of applications that it knows")
    assert f"{flows} flows of at least" in strangers
    assert strangers.rstrip().endswith(str(flows))
    assert "sipp.pcap" not in strangers
    assert known.count("| sipp.pcap | SIPp scenario |") == flows
    assert "phone.pcap" not in known


def test_sure_names_are_counted_by_product(tmp_path):
    from callprint.lab.identification.products_report import write_products_report  # noqa: PLC0415 - as above

    folder = tmp_path / "public"
    folder.mkdir()
    for name in ("phone.pcap", "sipp.pcap", "another.pcap"):
        shutil.copy(SAMPLE, folder / name)
    (folder / "manifest.csv").write_text("file,app\nphone.pcap,Viber\nsipp.pcap,SIPp scenario\n")
    model = load_model(DEFAULT_MODEL)
    write_products_report(folder, model, tmp_path / "products.md")
    text = (tmp_path / "products.md").read_text()
    flows, unknown, names = next(line for line in text.splitlines() if "| Viber |" in line).split(" | ")[1:4]
    assert int(flows) > int(unknown)
    assert sum(int(name.rstrip(")").split("(")[1]) for name in names.split(", ")) == int(flows) - int(unknown)
    assert f"Of {2 * int(flows)} flows of products that the network does not know" in text
    assert f"| SIPp scenario\\* | {flows} |" in text
    assert f"| not named | {flows} |" in text


def test_a_capture_is_of_a_class_by_its_first_word():
    from callprint.lab.identification.strangers_report import is_known  # noqa: PLC0415 - beside what it is about

    classes = ("asterisk", "sipp", "webrtc-rs")
    assert is_known("Asterisk testsuite", classes)
    assert is_known("SIPp", classes)
    assert not is_known("SIP", classes)
    assert not is_known("", classes)


@pytest.fixture(scope="module")
def figures():
    pytest.importorskip("torch", reason="needs the extra `train`")
    from callprint.lab.identification import open_set_figures  # noqa: PLC0415 - needs torch

    return open_set_figures


@pytest.fixture
def rounds(figures):
    """Applications 4 and 5 left out once each: all flows of the one and none of the other score beyond the known."""
    known = {"confidence": -np.linspace(0.8, 1.0, 101), "both": np.linspace(0, 1, 101)}
    varied = {"confidence": -np.ones(101), "both": np.linspace(1, 2, 101)}
    scores = {4: np.full(30, 2.5), 5: np.full(20, 0.5)}
    return [
        figures.Round(
            application,
            1,
            {
                figures.KNOWN: known,
                figures.KNOWN_VARIED: varied,
                figures.STRANGERS: {"confidence": -np.full(len(both), 0.95), "both": both},
            },
        )
        for application, both in scores.items()
    ]


def test_strangers_are_told_by_where_they_score(figures, rounds):
    assert figures.area_under_curve(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx(0.875)
    found = figures.counted(rounds, figures.RECORDED)
    assert (found.hits, found.asked) == (30, 50)
    assert [one.share for one in figures.by_seed(rounds, figures.RECORDED)] == [0.6]
    assert figures.by_application(rounds, figures.RECORDED) == {4: 1.0, 5: 0.0}
    assert figures.counted(rounds, figures.RECORDED, part=figures.KNOWN).share == pytest.approx(
        0.05, abs=0.01
    )


def test_a_limit_that_knows_other_peers_lets_more_pass(figures, rounds):
    assert figures.counted(rounds, figures.PEERS_VARIED, part=figures.KNOWN).hits == 0
    assert figures.counted(rounds, figures.PEERS_VARIED).share == pytest.approx(0.6)
    strict = figures.as_verdicts(0.9)
    assert figures.counted(rounds, strict).share == pytest.approx(0.6)
    unsure = figures.counted(rounds, strict, part=figures.KNOWN)
    assert unsure.share == pytest.approx(0.5, abs=0.01)  # the threshold on the confidence alone


def test_a_goal_of_being_better_counts_intervals(report):
    from callprint.lab.identification.baselines_report import verdict_on  # noqa: PLC0415 - needs scikit-learn

    assert verdict_on((172, 172), (155, 172)) == "better"
    assert verdict_on((232, 234), (234, 234)) == "worse, within the intervals"
    assert verdict_on((234, 234), (232, 234)) == "better, within the intervals"
    assert verdict_on((100, 200), (50, 100)) == "as good"


def test_a_missed_goal_says_by_how_much(report, dataset, tmp_path):
    from callprint.lab.identification import goals_report  # noqa: PLC0415 - needs matplotlib
    from callprint.lab.identification.report_text import Report  # noqa: PLC0415

    results = {"dataset2": report.examine(dataset, load_model(DEFAULT_MODEL), "dataset2")}
    page = Report(tmp_path / "report.md")
    took_s = {10: 0.1, 100: 1.25}
    goals_report.goals_section(page, goals_report.Measured(results, took_s, alexnet_batch_ms=5.35))
    rows = [line.split(" | ") for line in page.text.splitlines() if line.startswith("| ")]
    ends = {row[0].removeprefix("| "): row[-1].removesuffix(" |") for row in rows}
    assert ends["1000 flows at k = 10, compact network, one core"] == "met"
    assert ends["1000 flows at k = 100, compact network, one core"] == "**missed** by 0.250 s"
    assert ends["compact network on one core, slowest k"] == "**missed** by 19,200 flows/s"
    (batches,) = (end for what, end in ends.items() if what.startswith("the paper's AlexNet"))
    assert batches == "**missed** by 2.35 ms"
    horizon = results["dataset2"][1]
    right = horizon.right.mean()
    wanted = "met" if right >= 0.995 else f"**missed** by {0.995 - right:.1%}"
    assert ends["dataset2, horizon: application right"] == wanted


def test_what_alexnet_costs_in_batches_is_read_from_the_paper_s_report(figures, tmp_path):
    from callprint.lab.identification.paper_section import batch_ms  # noqa: PLC0415 - needs torch

    page = tmp_path / "paper.md"
    assert batch_ms(page) is None
    page.write_text("| weights | MB | ms a flow |\n|---|---|---|\n| float32 | 355 | 11.38 |\n")
    assert batch_ms(page) is None
    page.write_text(page.read_text() + "| 8 bit, static | 89 | 2.62 | 2.75 | 52.6% |\n")
    assert batch_ms(page) == 2.62


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("fpu avx2 avx512f avx512_vnni", "AMD EPYC (AVX-512 with VNNI)"),
        ("fpu avx avx2", "AMD EPYC (AVX2, not AVX-512)"),
        ("fpu", "AMD EPYC"),
    ],
)
def test_a_report_names_the_processor_that_measured(tmp_path, flags, says):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: {flags}\n\n")
    assert processor(tmp_path / "cpuinfo") == says
    assert processor(tmp_path / "nothing")
