"""k-matrices, compared with a plain reading of the same log."""

import numpy as np
from evidence_logs import pack, record, rtp, sender_report, steady_flow

from callprint.core.evidence import EVIDENCE_RTP, split
from callprint.core.identify.k_matrix import k_matrices


def plain(log: bytes, k: int) -> np.ndarray:
    image = np.zeros((k, 256), np.float32)
    payloads = [payload for _, kind, payload in split(np.frombuffer(log, np.uint8)) if kind == EVIDENCE_RTP]
    for row, payload in enumerate(payloads[:k]):
        image[row, : len(payload)] = np.frombuffer(payload, np.uint8) / np.float32(255)
    return image


def test_k_matrices_are_those_of_the_plain_reading():
    logs = [
        steady_flow(12) + sender_report(5, 6, 7),
        sender_report(1, 2, 3) + record(9, rtp(4, 5, bytes(range(243)))) + steady_flow(2),
        b"",
    ]
    for k in (2, 4, 10, 20):
        images, packets = k_matrices(*pack(logs), k)
        assert images.dtype == np.float32
        for log, image in zip(logs, images, strict=True):
            np.testing.assert_allclose(image, plain(log, k), atol=1e-7)
        assert packets.tolist() == [min(k, 12), min(k, 3), 0]


def test_a_log_that_ends_inside_a_record_gives_its_whole_records():
    log = steady_flow(3)
    _, packets = k_matrices(*pack([log[:-1]]), 4)
    assert packets.tolist() == [2]
