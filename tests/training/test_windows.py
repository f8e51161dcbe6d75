"""Windows cut from whole-flow logs: exact bytes, and what renegotiation may and may not change."""

import numpy as np
import pytest
from evidence_logs import MILLISECOND, pack, record, sender_report, steady_flow

from callprint.core.evidence import (
    EVIDENCE_DTLS,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    EVIDENCE_STUN,
    HORIZON_RTCP_PACKETS,
    split,
)
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.core.identify.features import features
from callprint.training.windows import cut_windows

START_NS = 1_700_000_000_000_000_000
EXTENSIONS = [bytes([0, number, 0, 2, 7, 7]) for number in (23, 11, 14, 10)]
SERVER_HELLO = (
    bytes([22, 254, 253, *bytes(8), 0, 76, 2, 0, 0, 64, *bytes(5), 0, 0, 64])
    + bytes([254, 253, *bytes(32), 0, 0xC0, 0x2B, 0, 0, 24])
    + b"".join(EXTENSIONS)
)


def plain(log: bytes, first: int, packets: int, tail: bool, lead: bool) -> list[tuple[int, int, bytes]]:
    """The same in plain Python."""
    records = split(np.frombuffer(log, np.uint8))
    media = [one for one in records if one[1] == EVIDENCE_RTP][first : first + packets]
    if not media:
        return []
    begin, end = media[0][0], media[-1][0] + (10**10 if tail else 0)
    before = [
        i for i, one in enumerate(records) if one[1] == EVIDENCE_RTCP and begin - 10**10 <= one[0] < begin
    ]
    kept = set(before[-1:] if lead else [])
    kept |= {i for i, one in enumerate(records) if one[1] == EVIDENCE_RTCP and begin <= one[0] <= end}
    kept = set(sorted(kept)[:HORIZON_RTCP_PACKETS])
    handshake = (EVIDENCE_STUN, EVIDENCE_DTLS) if first == 0 else ()
    return [
        one
        for i, one in enumerate(records)
        if i in kept or one[1] in handshake or any(one is packet for packet in media)
    ]


def whole_flow() -> bytes:
    packets = [
        (time, record(time, payload)) for time, _, payload in split(np.frombuffer(steady_flow(200), np.uint8))
    ]
    reports = [
        (time, sender_report(time, 5, 6)) for time in range(START_NS - 50, START_NS + 4 * 10**9, 10**8)
    ]
    handshake = [
        (START_NS - 90, record(START_NS - 90, bytes(range(60)), EVIDENCE_STUN)),
        (START_NS - 80, record(START_NS - 80, SERVER_HELLO, EVIDENCE_DTLS)),
    ]
    return b"".join(log for _, log in sorted(packets + reports + handshake))


def cut(log, first, packets, *, tail=False, lead=False, augment=False, seed=1):
    one = np.ones(1, np.bool_)
    buffer, spans = pack([log])
    return cut_windows(
        buffer,
        spans,
        np.zeros(1, np.int64),
        np.array([first]),
        np.array([packets]),
        tail=one & tail,
        lead=one & lead,
        augment=one & augment,
        seed=seed,
    )


@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize("lead", [False, True])
@pytest.mark.parametrize(("first", "packets"), [(0, 10), (0, 100), (150, 100), (37, 2), (199, 5)])
def test_as_the_plain_reading(first, packets, tail, lead):
    windows = cut(whole_flow(), first, packets, tail=tail, lead=lead)
    assert split(windows.buffer) == plain(whole_flow(), first, packets, tail, lead)
    assert windows.packets.tolist() == [min(packets, 200 - first)]


def test_beyond_the_end_is_an_empty_window():
    windows = cut(whole_flow(), 200, 10)
    assert windows.packets.tolist() == [0]
    assert windows.spans.tolist() == [[0, 0]]


def test_renegotiated_windows_are_whole_logs_with_the_same_payloads_or_fewer():
    original = [payload[12:] for _, kind, payload in split(cut(whole_flow(), 20, 50).buffer) if kind == 0]
    for seed in range(60):
        windows = cut(whole_flow(), 20, 50, augment=True, seed=seed)
        records = split(windows.buffer)
        media = [payload for _, kind, payload in records if kind == EVIDENCE_RTP]
        assert len(media) == windows.packets[0]
        assert len(media) >= 40  # at most 5 % loss on average
        # Clear RTP stays as it is but for header fields that a peer or the network changes.
        assert {payload[12:] for payload in media} <= set(original)
        times = [time for time, kind, _ in records if kind == EVIDENCE_RTP]
        assert times == sorted(times)


def test_a_renegotiated_server_hello_lacks_some_extensions_and_is_whole():
    lengths = set()
    for seed in range(60):
        records = split(cut(whole_flow(), 0, 10, augment=True, seed=seed).buffer)
        for hello in [payload for _, kind, payload in records if kind == EVIDENCE_DTLS]:
            lengths.add(len(hello))
            left = [hello[i : i + 6] for i in range(65, len(hello), 6)]
            assert left == [extension for extension in EXTENSIONS if extension in left]
            assert (
                int.from_bytes(hello[14:17], "big") == int.from_bytes(hello[22:25], "big") == len(hello) - 25
            )
    assert len(lengths) > 2


def test_the_same_seed_gives_the_same_bytes():
    one, again, other = (cut(whole_flow(), 0, 50, augment=True, seed=seed).buffer for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert len(one) != len(other) or (one != other).any()


def test_srtcp_changes_its_profile_with_the_media():
    """AEAD puts the index last, HMAC-SHA1 in front of a shorter tag; a change must move both RTP and RTCP."""
    tag = b"\xa5" * 16
    report = bytes([0x80, 200, 0, 6]) + b"\x11\x22\x33\x44" + b"\xc7" * 20 + tag + b"\x80\x00\x00\x01"
    media = b"".join(
        record(time, payload + tag) for time, _, payload in split(np.frombuffer(steady_flow(20), np.uint8))
    )
    log = media + record(START_NS + 390 * MILLISECOND, report, EVIDENCE_RTCP)
    seen = set()
    for seed in range(80):
        windows = cut(log, 0, 20, tail=True, augment=True, seed=seed)
        row = dict(zip(FEATURE_NAMES, features(windows.buffer, windows.spans)[0], strict=True))
        if row["rtcp_count"]:
            seen.add((float(row["payload_excess"]), float(row["rtcp_index_at_end"])))
    assert seen == {(16.0, 1.0), (10.0, 0.0)}


def test_a_window_may_be_cut_without_the_handshake():
    buffer, spans = pack([whole_flow()])
    one = np.ones(1, np.bool_)
    windows = cut_windows(
        buffer,
        spans,
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.array([5]),
        tail=~one,
        lead=~one,
        handshake=~one,
    )
    assert [kind for _, kind, _ in split(windows.buffer) if kind != EVIDENCE_RTCP] == [EVIDENCE_RTP] * 5
