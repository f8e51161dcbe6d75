"""The report on learning: what was run is in it, and it says when not all of it was."""

import json
from dataclasses import asdict

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from callprint.lab.learning.measure import VIEWS, Count, Learned, read_learned
from callprint.lab.learning.report import write_report

pytestmark = pytest.mark.training


def learned(base: str, name: str) -> Learned:
    def counts(*numbers: int) -> dict[str, Count]:
        return {view.name: Count(*numbers) for view in VIEWS}

    return Learned(
        application=name,
        base=base,
        flows=30,
        calls=15,
        processor_s=60.0,
        own=counts(20, 19, 18, 18),
        own_encrypted=counts(4, 4, 4, 4),
        own_before=counts(20, 0, 3, 0),
        known=counts(400, 396, 390, 389),
        known_before=counts(400, 397, 380, 380),
        strangers=counts(10, 0, 2, 0),
        strangers_before=counts(10, 0, 1, 0),
    )


def test_it_has_every_addition_and_what_became_of_the_others(tmp_path):
    found = [learned("without-0 1", "zoiper"), learned("compact 5", "bria")]
    write_report(found, tmp_path / "learning.md", "command", complete=False)
    text = (tmp_path / "learning.md").read_text()
    assert "| zoiper | 30 flows, 15 calls | first 10 packets | 20 | 95.0% | 90.0% | 100.0% | 60 |" in text
    assert "| zoiper | horizon | 400 | 99.2% → 99.0% | 95.0% → 97.5% | 100.0% → 99.7% |" in text
    assert "| zoiper | horizon | 10 | 1 → 2 |" in text
    assert "## The network that ships" in text
    assert "2 additions so far" in text


def test_what_is_kept_comes_back():
    before = learned("without-0 1", "zoiper")
    assert read_learned(json.loads(json.dumps(asdict(before)))) == before
