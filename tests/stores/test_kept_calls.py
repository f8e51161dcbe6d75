"""The folder of kept calls: bounds, crashes, keys, and files that are not what they should be."""

import builtins
import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from callprint.core.ground.errors import ConfigError, StoreError
from callprint.stores.kept_calls import KeptCalls, KeptLimits, read_key
from tests.call_samples import call

KEY = bytes(range(32))
DAY_S = 86_400


def calls(number):
    return [replace(call(), call_id=f"call {i}") for i in range(number)]


def kept(folder, which):
    return [i for i, each in enumerate(which) if folder.has(each)]


def test_a_call_is_kept_and_replaced(tmp_path):
    folder = KeptCalls(tmp_path / "calls")
    assert folder.get(call()) is None
    folder.put(call(), b"one")
    folder.put(call(), b"two")
    assert folder.get(call()) == b"two"
    assert folder.get(replace(call(), from_tag="another")) is None
    assert len(list(folder.path.iterdir())) == 1


def test_a_call_that_another_capture_dated_a_little_differently_is_found(tmp_path):
    folder = KeptCalls(tmp_path)
    one = call()
    for away_ns in (0, 5_000_000):
        folder.put(replace(one, started_ns=one.started_ns + away_ns), str(away_ns).encode())
    near = [(-3_000, b"0"), (3_000, b"0"), (0, b"0"), (4_999_999, b"5000000"), (10**9, b"5000000")]
    for away_ns, found in near:
        assert folder.get(replace(one, started_ns=one.started_ns + away_ns)) == found
    assert not folder.has(replace(one, started_ns=one.started_ns + 2 * 10**9))
    assert not folder.has(replace(one, call_id="another", started_ns=one.started_ns))


@pytest.mark.parametrize(
    ("limits", "left"),
    [(KeptLimits(calls=3), [7, 8, 9]), (KeptLimits(mebibytes=2), [7, 8, 9]), (KeptLimits(), list(range(10)))],
)
def test_the_oldest_go(tmp_path, limits, left):
    folder, which = KeptCalls(tmp_path, limits=limits), calls(10)
    for each in which:
        folder.put(each, bytes(600_000))
    assert kept(folder, which) == left
    assert folder.forgotten == 10 - len(left)
    again = KeptCalls(tmp_path, limits=limits)  # another process knows the files of the first
    again.put(replace(call(), call_id="more"), bytes(600_000))
    assert kept(again, which) == (left if len(left) == 10 else left[1:])


def test_a_call_that_is_kept_again_pushes_out_none(tmp_path):
    folder, which = KeptCalls(tmp_path, limits=KeptLimits(calls=3)), calls(3)
    for each in [*which, which[2], which[0]]:
        folder.put(each, b"x")
    assert kept(folder, which) == [0, 1, 2]
    assert folder.forgotten == 0


def test_a_call_larger_than_everything_that_is_kept_pushes_out_none(tmp_path):
    folder, which = KeptCalls(tmp_path, limits=KeptLimits(mebibytes=1)), calls(3)
    for each in which[:2]:
        folder.put(each, bytes(400_000))
    with pytest.raises(StoreError, match="larger than the 1 MiB"):
        folder.put(which[2], bytes(1_100_000))
    assert kept(folder, which) == [0, 1]


def test_days_pass(tmp_path):
    now_s = 1_000_000.0
    folder, which = KeptCalls(tmp_path, limits=KeptLimits(days=2), now_s=lambda: now_s), calls(3)
    for each in which:
        folder.put(each, b"x")
        now_s += 1.5 * DAY_S
    assert kept(folder, which) == [1, 2]


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / ".abandoned.1").write_bytes(b"half")
    (tmp_path / "of somebody else").write_bytes(b"x")
    folder = KeptCalls(tmp_path, now_s=lambda: 1e11)
    folder.put(call(), b"x")
    assert not (tmp_path / ".abandoned.1").exists()
    assert (tmp_path / "of somebody else").exists()


def test_one_call_is_not_passed_off_as_another(tmp_path):
    pytest.importorskip("cryptography")
    folder, (one, other) = KeptCalls(tmp_path, KEY), calls(2)
    folder.put(one, b"the packets of one")
    (path,) = tmp_path.iterdir()
    folder.put(other, b"x")
    (target,) = set(tmp_path.iterdir()) - {path}
    target.write_bytes(path.read_bytes())
    assert folder.get(one) == b"the packets of one"
    with pytest.raises(ConfigError, match="another key, or is damaged"):
        folder.get(other)
    target.write_bytes(b"short")
    with pytest.raises(StoreError, match="no encrypted file"):
        folder.get(other)


def test_a_key_replaces_what_was_kept_without(tmp_path):
    pytest.importorskip("cryptography")
    KeptCalls(tmp_path).put(call(), b"clear")
    KeptCalls(tmp_path, KEY).put(call(), b"sealed")
    assert len(list(tmp_path.iterdir())) == 1
    assert KeptCalls(tmp_path, KEY).get(call()) == b"sealed"


def test_without_the_package_a_key_is_refused(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"callprint\[encrypt\]"):
        KeptCalls(tmp_path, KEY)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_has_32_bytes(tmp_path, size):
    (tmp_path / "key").write_bytes(bytes(size))
    with pytest.raises(ConfigError, match="32 random bytes"):
        read_key(tmp_path / "key")
    with pytest.raises(ConfigError, match="No such file"):
        read_key(tmp_path / "none")
    assert read_key(None) is None


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        KeptCalls(tmp_path / "file" / "calls").put(call(), b"x")


def test_links_are_neither_followed_nor_counted(tmp_path):
    secret, inside = tmp_path / "secret", tmp_path / "calls"
    secret.write_bytes(b"of somebody else")
    folder = KeptCalls(inside, limits=KeptLimits(calls=1))
    folder.put(call(), b"x")
    (path,) = inside.iterdir()
    path.unlink()
    path.symlink_to(secret)
    (inside / "broken.pcapng").symlink_to(tmp_path / "nowhere")
    (inside / "folder.pcapng").mkdir()
    (inside / f".{path.stem}.{os.getpid()}").symlink_to(secret)
    again = KeptCalls(inside, limits=KeptLimits(calls=1))
    assert not again.has(call())
    assert again.get(call()) is None
    with pytest.raises(StoreError):
        again.put(call(), b"would be written through the link")
    again.put(call(), b"y")  # the link in its place is gone
    assert again.get(call()) == b"y"
    assert secret.read_bytes() == b"of somebody else"


def test_two_processes_keep_one_bound(tmp_path):
    one, other = (KeptCalls(tmp_path, limits=KeptLimits(calls=20)) for _ in range(2))
    for number, each in enumerate(calls(600)):
        (one, other)[number % 2].put(each, b"x")
    assert len(list(tmp_path.iterdir())) <= 40
    one.put(call(), b"x")
    assert KeptCalls(tmp_path, limits=KeptLimits(calls=20))._found()


def test_a_full_disk_leaves_nothing_half(tmp_path, monkeypatch):
    folder = KeptCalls(tmp_path)
    folder.put(call(), b"before")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as now:
        now.setattr(Path, "replace", lambda *_: full(0))
        with pytest.raises(StoreError, match="No space left"):
            folder.put(call(), b"after")
    assert folder.get(call()) == b"before"
    assert len(list(tmp_path.iterdir())) == 1
    folder.put(call(), b"after")
    monkeypatch.setattr(os, "fsync", full)
    (error,) = folder.sync()
    assert "No space left" in str(error)
    assert not list(tmp_path.iterdir())
    assert folder.sync() == []
