"""What is left out together, and that the report of it counts every flow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from three_kinds import NAMES, three_kinds

from callprint.training.settings import TrainingSettings

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def lab():
    pytest.importorskip("torch", reason="needs the extra `train`")
    from callprint.lab.identification import hold_out  # noqa: PLC0415 - needs torch

    return hold_out


@pytest.fixture(scope="module")
def dataset():
    """Every application in two versions, with the second one in `versions`; two of them share an engine."""
    found = three_kinds(flows={"dataset1": 12, "versions": 4})
    version = np.where(found.split == "versions", "2.0", "1.0")
    engine = np.where(found.application == NAMES[2], "its own", "shared")
    return replace(found, version=version, engine=engine)


def test_every_version_that_leaves_enough_others_and_every_application_is_left_out_once(lab, dataset):
    rounds = lab.rounds_of(dataset)
    of = {kind: [each.left_out for each in rounds if each.kind == kind] for kind in ("versions", "engines")}
    assert of["versions"] == [
        tuple((name, "2.0") for name in NAMES)
    ]  # of version 1.0 only 4 others would remain
    assert of["engines"] == [tuple((name, "") for name in NAMES[:2])]
    applications = [name for each in rounds if each.kind == "applications" for name, _ in each.left_out]
    assert sorted(applications) == sorted(NAMES)
    for each in rounds:
        if each.kind == "applications":
            engines = dataset.engine[np.isin(dataset.application, [name for name, _ in each.left_out])]
            assert len(set(engines)) == len(each.left_out), "no two siblings in a round"


def test_the_report_counts_every_flow_once_and_the_cache_repeats_nothing(lab, dataset, tmp_path: Path):
    from callprint.lab.identification.hold_out_report import write_hold_out_report  # noqa: PLC0415

    settings = TrainingSettings(epochs=1, windows_per_flow=4, members=1)
    found = lab.hold_out(dataset, tmp_path / "cache", settings)
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    again = lab.hold_out(dataset, tmp_path / "cache", settings)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()} == made
    for key, parts in found.items():
        for one, other in zip(parts, again[key], strict=True):
            np.testing.assert_array_equal(one.named, other.named)
    flows = np.concatenate([part.flow for part in found["applications", "horizon"]])
    assert sorted(flows.tolist()) == list(range(len(dataset.packets)))
    write_hold_out_report(dataset, found, tmp_path / "report.md", "callprint evaluate --hold-out")
    text = (tmp_path / "report.md").read_text()
    assert "| alpha: 2.0 | 4 |" in text
    assert "| engines | horizon | 32 |" in text
