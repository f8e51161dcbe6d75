"""`callprint identify --keep-calls`, and what `callprint call` makes of it."""

import errno
import os
import stat
from pathlib import Path

import pytest

import callprint

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
CALL_ID = "LnsehGSl2D"


@pytest.fixture
def run(command):
    """Run a command without a network."""
    # So wide that no message is broken, however long the path of a temporary folder is.
    return lambda *words: command(*words, "--model", "none", columns=400)


def kept_files(store):
    return sorted(Path(f"{store}.calls").iterdir())


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.sqlite"


def test_nothing_is_kept_unless_asked_for(run, store):
    assert run("identify", SAMPLE, "--store", store, "--quiet")[0] == 0
    assert not Path(f"{store}.calls").exists()
    code, _, err = run("call", CALL_ID, "--store", store, "--pcap", store.with_name("x"))
    assert code == 4
    assert "no packets of this call are kept" in err


def test_kept_packets_are_those_of_the_call(run, store, tmp_path):
    code, out, _ = run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--keep-voice")
    assert code == 0
    assert "packets of 13 calls kept" in out
    kept, taken = tmp_path / "kept.pcapng", tmp_path / "taken.pcapng"
    assert run("call", CALL_ID, "--store", store, "--pcap", kept)[0] == 0
    assert run("call", CALL_ID, SAMPLE, "--pcap", taken)[0] == 0
    assert packet_blocks(kept) == packet_blocks(taken)


def test_the_ladder_of_a_store_is_that_of_the_capture(run, store):
    run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--quiet")
    _, stored, _ = run("call", CALL_ID, "--store", store)
    _, captured, _ = run("call", CALL_ID, SAMPLE)
    assert stored == captured
    assert "◇ MOS 4.38" in stored


def test_voice_is_cut_and_the_call_stays_the_same(run, store, tmp_path):
    run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--quiet")
    one = tmp_path / "one.pcapng"
    run("call", CALL_ID, "--store", store, "--pcap", one)
    (call,) = (call for call in calls_of(one) if call.phase == "end")
    (before,) = (call for call in calls_of(SAMPLE) if call.phase == "end" and call.call_id == CALL_ID)
    assert (call.caller_flows, call.callee_flows, call.state) == (
        before.caller_flows,
        before.callee_flows,
        before.state,
    )
    voice = next(block for block in packet_blocks(SAMPLE) if len(block) > 200)[-60:]
    assert voice not in one.read_bytes()


def calls_of(capture):
    identification = callprint.identify(capture, model="none")
    list(identification)
    return identification.calls


def test_files_are_for_their_owner_alone(run, store):
    before = os.umask(0)
    try:
        run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--quiet")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(f"{store}.calls").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept_files(store)} == {0o600}


def test_encrypted_calls_need_their_key(run, store, tmp_path):
    key, other, short = (tmp_path / name for name in ("key", "other", "short"))
    key.write_bytes(bytes(range(32)))
    other.write_bytes(bytes(32))
    short.write_bytes(b"1")
    run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--key-file", key, "--quiet")
    assert all(path.name.endswith(".enc") for path in kept_files(store))
    assert all(CALL_ID.encode() not in path.read_bytes() for path in kept_files(store))
    code, out, err = run("call", CALL_ID, "--store", store)
    assert code == 0
    assert "180 Ringing" in out  # from the times of the row
    assert "without the messages of the call" in err
    one = tmp_path / "one.pcapng"
    for wrong, message in (
        ((), "is encrypted"),
        (("--key-file", other), "another key"),
        (("--key-file", short), "32"),
    ):
        code, _, err = run("call", CALL_ID, "--store", store, "--pcap", one, *wrong)
        assert code != 0
        assert message in err
    assert run("call", CALL_ID, "--store", store, "--pcap", one, "--key-file", key)[0] == 0
    assert CALL_ID.encode() in one.read_bytes()


def test_another_store_with_the_same_calls_finds_them_in_the_folder(run, store, tmp_path):
    """As where a topology fills the store, and `callprint identify` beside the capture keeps packets."""
    folder, other, one = tmp_path / "kept", tmp_path / "other.sqlite", tmp_path / "one.pcapng"
    words = ("--keep-calls", "all", "--kept-calls", folder)
    _, out, _ = run("identify", SAMPLE, "--store", store, *words)
    assert f"kept in {folder}" in out
    assert not Path(f"{store}.calls").exists()
    run("identify", SAMPLE, "--store", other, "--quiet")
    assert "ACK" not in run("call", CALL_ID, "--store", other)[1]
    assert "ACK" in run("call", CALL_ID, "--store", other, "--kept-calls", folder)[1]
    assert run("call", CALL_ID, "--store", other, "--kept-calls", folder, "--pcap", one)[0] == 0
    assert calls_of(one)


def test_the_oldest_calls_go_and_are_counted(run, store):
    _, out, _ = run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--keep-calls-number", "4")
    assert len(kept_files(store)) == 4
    assert "9 older calls deleted" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--keep-calls", "everything"), "no rule 'everything'"),
        (("--keep-calls", "quality:9"), "between 1 and 5"),
        (("--keep-voice",), "give that as well"),
        (("--keep-calls", "all", "--pseudonym-key", SAMPLE), "give --key-file as well"),
    ],
)
def test_what_cannot_be_kept_is_refused(run, store, words, message, capsys):
    try:
        code, _, err = run("identify", SAMPLE, "--store", store, *words)
    except SystemExit as refused:
        code, err = refused.code, capsys.readouterr().err
    assert code == 2
    assert message in err


@pytest.mark.parametrize(("rule", "number"), [("spam", 0), ("quality:4.4", None), ("unknown", None)])
def test_rules_choose(run, store, rule, number):
    run("identify", SAMPLE, "--store", store, "--keep-calls", rule, "--quiet")
    kept = len(kept_files(store)) if Path(f"{store}.calls").exists() else 0
    calls = [call for call in calls_of(SAMPLE) if call.phase == "end"]
    meets = {
        "spam": lambda call: call.action != "allow",
        "quality:4.4": lambda call: any(mos and mos < 4.4 for mos in (call.caller_mos, call.callee_mos)),
        "unknown": lambda call: "unknown" in (call.caller_application, call.callee_application),
    }[rule]
    assert kept == sum(map(meets, calls))
    assert number is None or kept == number


def packet_blocks(capture):
    """Return the enhanced packet blocks of a little-endian pcapng."""
    data, at, found = capture.read_bytes(), 0, []
    while at < len(data):
        kind, length = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        if kind == 6:
            found.append(data[at : at + length])
        at += length
    return found


def test_identify_goes_on_when_packets_cannot_be_kept(run, store, monkeypatch):
    """On a full disk verdicts and calls are found and stored as ever; a line says how many calls lack their packets."""

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = run("identify", SAMPLE, "--store", store, "--keep-calls", "all")
    assert code == 0
    assert "packets of 0 calls kept" in out
    assert "the packets of 13 calls could not be kept" in err
    assert "No space left on device" in err
    assert not kept_files(store)
    assert run("call", CALL_ID, "--store", store)[0] == 0


def test_a_file_that_is_cut_off_or_of_another_call_gives_no_evidence(run, store, tmp_path):
    run("identify", SAMPLE, "--store", store, "--keep-calls", "all", "--quiet")
    (ours,) = (path for path in kept_files(store) if CALL_ID.encode() in path.read_bytes())
    other = next(path for path in kept_files(store) if path != ours)
    whole, evidence = ours.read_bytes(), tmp_path / "evidence.pcapng"
    for data in (whole[: len(whole) // 2], whole[:-4], b"", other.read_bytes()):
        ours.write_bytes(data)
        code, _, err = run("call", CALL_ID, "--store", store, "--evidence", evidence)
        assert code == 4
        assert "damaged, cut off, or another call's" in err
        assert not evidence.exists()
        code, out, _ = run("call", CALL_ID, "--store", store)
        assert code == 0  # what the store itself has of the call is shown
        assert "180 Ringing" in out
    ours.write_bytes(whole)
    assert run("call", CALL_ID, "--store", store, "--evidence", evidence)[0] == 0
