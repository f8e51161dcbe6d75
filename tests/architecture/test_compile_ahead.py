"""What every capture needs is compiled on all processors at once."""

import pytest

from callprint.machine_code import ahead, keeping
from callprint.machine_code.warm_up import STEPS


def test_every_step_has_a_cost():
    assert set(ahead.COSTS_S) == set(STEPS)


@pytest.mark.parametrize("processors", [1, 2, 3, 64])
def test_every_step_is_taken_once_and_no_process_is_idle(processors):
    shares = ahead.shares(processors)
    assert sorted(name for share in shares for name in share) == sorted(STEPS)
    assert all(shares)
    assert len(shares) == min(processors, len(STEPS))


def test_each_process_says_which_steps_it_has_taken():
    shown = {}
    assert ahead.compile_on(2, shown.__setitem__)
    assert shown == ahead.COSTS_S


def test_a_process_that_fails_is_noticed(monkeypatch):
    monkeypatch.setattr(ahead, "WORKER", "raise SystemExit(1)")
    assert not ahead.compile_on(2)


@pytest.fixture
def kept(tmp_path, monkeypatch, capsys):
    """Run as the program does, in a folder that holds no machine code; returns (folder, what it says)."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(keeping.Announcement, "given", False)
    monkeypatch.setattr(ahead.os, "sched_getaffinity", lambda _process: {0, 1})

    def run():
        ahead.run_if_needed.__wrapped__()
        return tmp_path, capsys.readouterr().err

    keeping.base_folder.cache_clear()
    yield run
    keeping.base_folder.cache_clear()


def test_it_is_done_once(kept, monkeypatch):
    monkeypatch.setattr(ahead, "WORKER", "")
    folder, said = kept()
    assert "half a minute" in said
    (mark,) = folder.glob("complete-*")
    assert kept() == (folder, "")
    mark.rename(folder / "complete-0123456789abcdef")  # as an earlier version left it
    kept()
    assert list(folder.glob("complete-*")) == [mark]


def test_what_failed_is_tried_again(kept, monkeypatch):
    monkeypatch.setattr(ahead, "WORKER", "raise SystemExit(1)")
    folder, _ = kept()
    assert not list(folder.glob("complete-*"))
