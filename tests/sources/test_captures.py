"""Files, folders, pipes and compression: the same packets, wherever they come from."""

import gzip
import io
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zstandard
from capture_files import enhanced, interface, pcap, section
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callprint.core.capture import BATCH_RECORDS
from callprint.core.ground.errors import CaptureError
from callprint.sources import captures, open_captures
from callprint.sources.streams import open_stream

FRAMES = [bytes([index % 256]) * (index % 700) for index in range(9000)]  # several reads, several batches
CAPTURE = pcap(FRAMES)


def frames_of(source):
    """Copy every frame out of its batch."""
    found = []
    for batch in source:
        frames = [batch.data[row["offset"] :][: row["captured"]].tobytes() for row in batch.records]
        found.extend(frames)
    return found


def zstd(raw):
    return zstandard.ZstdCompressor().compress(raw)


def members(raw, compress):
    half = len(raw) // 2
    return compress(raw[:half]) + compress(raw[half:])


ENCODINGS = {
    "plain": CAPTURE,
    "gzip": gzip.compress(CAPTURE),
    "gzip members": members(CAPTURE, gzip.compress),
    "gzip padded with zeros": gzip.compress(CAPTURE) + bytes(100_000),
    "zstd": zstd(CAPTURE),
    "zstd frames": members(CAPTURE, zstd),
    "zstd with a skippable frame": b"\x50\x2a\x4d\x18\x03\0\0\0abc".join(
        [zstd(CAPTURE[:999]), zstd(CAPTURE[999:])]
    ),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_are_recognised_by_content(tmp_path, name):
    path = tmp_path / "no-suffix"
    path.write_bytes(ENCODINGS[name])
    source = open_captures([path])
    assert frames_of(source) == FRAMES
    assert (source.packets, source.warnings) == (len(FRAMES), [])
    assert source.bytes_total == source.bytes_done == len(ENCODINGS[name])


@pytest.mark.parametrize("name", ["gzip", "zstd", "gzip members", "zstd frames", "plain"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.999])
def test_a_cut_file_gives_its_whole_packets_and_a_warning_with_the_offset(tmp_path, name, part):
    path = tmp_path / "cut.pcap"
    raw = ENCODINGS[name]
    path.write_bytes(raw[: int(len(raw) * part)])
    source = open_captures([path])
    found = frames_of(source)
    assert 0 < len(found) < len(FRAMES)
    assert found == FRAMES[: len(found)]
    (warning,) = source.warnings
    assert "cut.pcap" in str(warning)
    assert "cut off" in str(warning)
    assert warning.offset > 0


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
def test_damaged_compression_is_a_warning(tmp_path, compress):
    path = tmp_path / "damaged"
    raw = bytearray(compress(CAPTURE))
    raw[-2] ^= 1  # in the check sum (zstd) or the length (gzip) at the end
    path.write_bytes(raw)
    source = open_captures([path])
    found = frames_of(source)
    assert found == FRAMES[: len(found)]
    assert len(found) >= len(FRAMES) - 1 or compress is not gzip.compress
    assert "data is damaged" in str(source.warnings[0])


def test_damage_amid_gzip_data_loses_nothing_before_it(tmp_path):
    path = tmp_path / "damaged"
    frames = [random.Random(number).randbytes(900) for number in range(1000)]
    raw = bytearray(gzip.compress(pcap(frames)))
    raw[len(raw) // 2] ^= 255
    path.write_bytes(raw)
    found = frames_of(open_captures([path]))
    assert found[:490] == frames[:490]


def test_something_else_behind_gzip_data_is_a_warning(tmp_path):
    path = tmp_path / "tail.pcap.gz"
    path.write_bytes(gzip.compress(CAPTURE) + b"tail")
    source = open_captures([path])
    assert frames_of(source) == FRAMES
    assert "followed by something else" in str(source.warnings[0])


def test_several_files_and_folders_in_order(tmp_path):
    deep = tmp_path / "folder" / "deeper"
    deep.mkdir(parents=True)
    (tmp_path / "folder" / "b.pcap").write_bytes(pcap([b"two"]))
    (tmp_path / "folder" / "a.pcapng").write_bytes(section() + interface() + enhanced(b"one"))
    (tmp_path / "folder" / "notes.txt").write_text("no capture")
    (tmp_path / "folder" / "empty").write_bytes(b"")
    (deep / "c.pcap.gz").write_bytes(gzip.compress(pcap([b"three"])))
    (tmp_path / "last").write_bytes(pcap([b"four"])[:-1])
    (deep / "circle").symlink_to(tmp_path / "folder")
    source = open_captures([tmp_path / "folder", tmp_path / "last"])
    assert frames_of(source) == [b"one", b"two", b"three"]
    assert (source.packets, source.not_captures, len(source.warnings)) == (3, 2, 1)
    assert [Path(file.path).name for file in source.files if file.is_capture] == [
        "a.pcapng", "b.pcap", "c.pcap.gz", "last",
    ]  # fmt: skip


def test_a_single_file_that_is_not_a_capture_is_an_error_that_says_what_was_found(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(
        CaptureError, match=r"image.png: not a packet capture: it begins with 89 50 4e 47; supported"
    ):
        frames_of(open_captures([path]))
    path.write_bytes(gzip.compress(b"compressed text"))
    with pytest.raises(CaptureError, match="it begins with 63 6f 6d 70"):
        frames_of(open_captures([path]))


def test_no_capture_among_several_files_is_an_error(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"text")
    with pytest.raises(CaptureError, match="none of 2 files is a packet capture"):
        frames_of(open_captures([tmp_path]))


def test_missing_paths_are_errors_before_anything_is_read(tmp_path):
    with pytest.raises(CaptureError, match="no such file"):
        open_captures([tmp_path / "nowhere"])
    with pytest.raises(CaptureError, match="no file below"):
        open_captures([tmp_path])
    with pytest.raises(CaptureError, match="no file below"):
        open_captures([])


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_decompression_bomb_is_read_in_bounded_memory(tmp_path, compress):
    plain = 160_000_000
    bomb = tmp_path / "bomb"
    bomb.write_bytes(compress(pcap([]) + bytes(plain)))  # an endless series of empty packets
    assert bomb.stat().st_size < plain / 300
    tracemalloc.start()
    source = open_captures([bomb])
    packets = sum(len(batch.records) for batch in source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert packets == plain // 16
    assert peak < 80_000_000


def test_a_pipe_gives_packets_before_it_ends():
    read_end, write_end = os.pipe()
    code = (
        "import sys\nfrom callprint.sources import open_captures\n"
        "for batch in open_captures(['-']):\n    print(len(batch.records), flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=read_end, stdout=subprocess.PIPE) as process:
        os.close(read_end)
        packets = pcap([b"first", b"second"])
        os.write(write_end, packets[:-2])
        assert process.stdout.readline() == b"1\n"  # while the pipe is open
        os.write(write_end, packets[-2:])
        assert process.stdout.readline() == b"1\n"
        os.close(write_end)
        assert process.stdout.read() == b""
    assert process.returncode == 0


SHORT = pcap(FRAMES[:20])


@pytest.mark.parametrize(
    "raw",
    [SHORT, gzip.compress(SHORT), members(SHORT, gzip.compress) + bytes(9), members(SHORT, zstd)],
    ids=["plain", "gzip", "gzip members and zeros", "zstd frames"],
)
def test_a_stream_that_comes_in_single_bytes_is_the_same_stream(raw):
    read_end, write_end = os.pipe()

    def write():
        for at in range(len(raw)):
            os.write(write_end, raw[at : at + 1])
        os.close(write_end)

    writer = threading.Thread(target=write)
    writer.start()
    stream, whole, room = open_stream(read_end), io.BytesIO(), bytearray(7)
    while count := stream.readinto(memoryview(room)):
        whole.write(room[:count])
    writer.join()
    os.close(read_end)
    assert whole.getvalue() == SHORT
    assert stream.bytes_read == len(raw)


def test_the_size_of_reads_does_not_change_the_packets(tmp_path, monkeypatch):
    path = tmp_path / "capture"
    path.write_bytes(CAPTURE)
    for size in (1, 1000, 65_537):
        monkeypatch.setattr(captures, "READ_BYTES", size)
        short = CAPTURE[:20_000] if size == 1 else CAPTURE
        path.write_bytes(short)
        found = frames_of(open_captures([path]))
        assert found == FRAMES[: len(found)]
        assert len(found) == len(FRAMES) or size == 1


def test_batches_are_bounded(tmp_path):
    path = tmp_path / "many"
    path.write_bytes(pcap([]) + bytes(16 * 100_000))
    sizes = [len(batch.records) for batch in open_captures([path])]
    assert sum(sizes) == 100_000
    assert np.max(sizes) <= BATCH_RECORDS


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(ENCODINGS.values())),
    st.integers(0, 4000),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)), max_size=3),
)
def test_any_file_gives_packets_and_perhaps_one_warning_or_the_one_error(tmp_path, raw, size, damage):
    """The invariant: whatever a file holds, reading it ends, and CaptureError is all that comes out of it."""
    stream = bytearray(raw[:size])
    for at, new in damage:
        stream[at : at + len(new)] = new
    path = tmp_path / "any"
    path.write_bytes(stream)
    source = open_captures([path])
    try:
        assert len(frames_of(source)) == source.packets
    except CaptureError:
        assert source.packets == 0
    assert len(source.warnings) <= 1
