"""The same flow as another release of its application might have sent it: augmentation of feature rows.

Releases offer other cipher suites, extensions and STUN attributes, in another order, draw the first sequence number and
timestamp from another range, and report on another schedule. What such a change looks like is drawn at random here,
for one group of features independently of the others, so that the network learns to name a flow of which one group is
odd, by the groups that are not.
"""

from collections.abc import Callable, Sequence

import numpy as np

from callprint.core.identify.feature_list import EXTENSIONS, SUITES
from callprint.core.identify.feature_row import FEATURE_NAMES

Change = Callable[[np.ndarray, np.random.Generator], None]
"""Varies rows (n, F) float32 in place."""

OTHER_RELEASE_SHARE = 0.25  # of the rows that train, for each group that releases change
SUITE_LEFT_OUT, SUITE_ADDED = 0.15, 0.04  # chances of each cipher suite in a varied hello
EXTENSION_LEFT_OUT, EXTENSION_ADDED = 0.12, 0.04
REORDERED = 0.4  # share of varied hellos and Binding requests whose order is drawn anew
RARE = 0.1  # share in which a habit that releases seldom change is another one
SCHEDULE_SPREAD = 0.5  # standard deviation of the logarithm of a varied schedule over the recorded one

SEQUENCE_RANGES = (65536, 32768, 4096, 16)
TIMESTAMP_RANGES = (4294967296, 2147483648, 65536, 1)
RANGE_CHANCES = (0.4, 0.35, 0.15, 0.1)


def _columns(names: Sequence[str]) -> np.ndarray:
    return np.array([FEATURE_NAMES.index(name) for name in names])


def _column(name: str) -> int:
    return FEATURE_NAMES.index(name)


SUITE_COLUMNS = _columns([f"dtls_suite_{code:04x}" for code in SUITES])
EXTENSION_COLUMNS = {
    side: _columns([f"dtls_{side}_extension_{code}_at" for code in EXTENSIONS])
    for side in ("client", "server")
}
LENGTH_COLUMNS = _columns(["dtls_groups_length", "dtls_signatures_length", "dtls_srtp_length"])
ATTRIBUTE_COLUMNS = _columns(
    [f"stun_{name}_at" for name in ("user_name", "priority", "role", "software", "network_cost")]
)
SCHEDULE_COLUMNS = _columns(
    [
        *("rtcp_gap_mean_ms", "rtcp_gap_minimum_ms", "rtcp_rr_after_sr_ms"),
        *("rtcp_sr_interval_ms", "rtcp_rr_interval_ms"),
    ]
)
DEVIATION_COLUMNS = _columns(["rtcp_gap_deviation", "rtcp_sr_interval_deviation"])
REPORT_LENGTH_COLUMNS = _columns(
    [f"rtcp_length_{name}" for name in ("first", "sr", "rr", "feedback")],
)


def _draw(rng: np.random.Generator, ranges: Sequence[int], count: int) -> np.ndarray:
    return np.floor(rng.random(count) * rng.choice(np.array(ranges, np.float64), count, p=RANGE_CHANCES))


def _vary_start(rows: np.ndarray, rng: np.random.Generator) -> None:
    count = len(rows)
    another = rng.random(count) < 0.7
    sequence = _draw(rng, SEQUENCE_RANGES, count)
    for name, value in (
        ("first_sequence_small", sequence < 16),
        ("first_sequence_below_4096", sequence < 4096),
        ("first_sequence_high_bit", sequence >= 32768),
        ("timestamp_follows_sequence", np.zeros(count)),
    ):
        rows[another, _column(name)] = value[another]
    another = rng.random(count) < 0.5
    timestamp = _draw(rng, TIMESTAMP_RANGES, count)
    for name, value in (
        ("first_timestamp_zero", timestamp == 0),
        ("first_timestamp_below_65536", timestamp < 65536),
        ("first_timestamp_high_bit", timestamp >= 2147483648),
        ("first_timestamp_log2", np.log2(1.0 + timestamp) / 32.0),
        ("first_timestamp_is_increment", np.zeros(count)),
        ("timestamp_follows_sequence", np.zeros(count)),
    ):
        rows[another, _column(name)] = value[another]
    another = rng.random(count) < 0.3
    rows[another, _column("ssrc_high_bit")] = rng.random(int(another.sum())) < 0.5


def _reordered(positions: np.ndarray, anew: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return positions (n, items; 0: not there) counted from 1 again, in an order drawn anew for the rows `anew`."""
    there = positions > 0
    order = np.where(anew[:, np.newaxis], rng.random(positions.shape), positions)
    order = np.where(there, order, np.inf)
    ranks = order.argsort(1).argsort(1) + 1.0
    return np.where(there, ranks, 0.0).astype(np.float32)


def _with_and_without(
    positions: np.ndarray, left_out: float, added: float, rng: np.random.Generator
) -> np.ndarray:
    """Return positions with some items left out (0) and others put in at places drawn at random."""
    draw = rng.random(positions.shape)
    there = positions > 0
    last = positions.max(1, keepdims=True)
    placed = rng.random(positions.shape) * (last + 1.0)
    return np.where(there, np.where(draw < left_out, 0.0, positions), np.where(draw < added, placed, 0.0))


def _vary_request(rows: np.ndarray, rng: np.random.Generator) -> None:
    count = len(rows)
    before = rows[:, ATTRIBUTE_COLUMNS]
    optional = np.zeros_like(before, np.bool_)
    optional[:, -2:] = True  # SOFTWARE and network cost come and go; the others are what ICE needs
    changed = np.where(optional, _with_and_without(before, 0.4, 0.2, rng), before)
    after = _reordered(changed, rng.random(count) < REORDERED, rng)
    rows[:, ATTRIBUTE_COLUMNS] = after
    more = rng.choice(np.array([-1, 0, 0, 1]), count)
    unknown, attributes = _column("stun_unknown_attributes"), _column("stun_attributes")
    more = np.maximum(more, -rows[:, unknown])
    rows[:, unknown] += more
    rows[:, attributes] += more + (after > 0).sum(1) - (before > 0).sum(1)
    software, length = after[:, -2] > 0, _column("stun_software_length")
    named = np.where(rows[:, length] > 0, rows[:, length], rng.integers(4, 24, count))
    rows[:, length] = np.where(software, named, 0.0)
    another = rng.random(count) < RARE
    rows[another, _column("stun_fragment_length")] = rng.choice(
        np.array([4.0, 8.0, 16.0, 24.0, 32.0]), int(another.sum())
    )
    another = rng.random(count) < 2 * RARE
    local = _column("stun_priority_local")
    rows[another, local] = np.clip(rows[another, local] + rng.normal(0, 2, int(another.sum())), 0, 16)


def _vary_hello(rows: np.ndarray, rng: np.random.Generator) -> None:
    count = len(rows)
    for side in ("client", "server"):
        own = rows[:, _column(f"dtls_{side}_hello")] > 0
        columns = EXTENSION_COLUMNS[side]
        changed = _with_and_without(rows[:, columns], EXTENSION_LEFT_OUT, EXTENSION_ADDED, rng)
        after = _reordered(changed, rng.random(count) < REORDERED, rng)
        rows[:, columns] = np.where(own[:, np.newaxis], after, rows[:, columns])
    client = rows[:, _column("dtls_client_hello")] > 0
    offered = rows[:, SUITE_COLUMNS]
    changed_at = rng.random(offered.shape) < np.where(offered > 0, SUITE_LEFT_OUT, SUITE_ADDED)
    changed_at &= client[:, np.newaxis]
    suites = np.where(changed_at, 1.0 - offered, offered)
    rows[:, SUITE_COLUMNS] = suites
    others = np.where(client, rng.integers(-1, 2, count), 0)
    total = _column("dtls_suites")
    rows[:, total] = np.maximum(rows[:, total] + suites.sum(1) - offered.sum(1) + others, suites.sum(1))
    lengths = rows[:, LENGTH_COLUMNS]
    longer = 2.0 * rng.integers(-3, 4, lengths.shape) * (rng.random(lengths.shape) < 0.6)
    rows[:, LENGTH_COLUMNS] = np.where(lengths > 0, np.maximum(lengths + longer, 2.0), 0.0)
    unknown = _column("dtls_unknown_extensions")
    rows[:, unknown] = np.maximum(rows[:, unknown] + rng.choice(np.array([-1, 0, 0, 1]), count), 0)
    another = rng.random(count) < RARE
    rows[another, _column("dtls_record_version")] = rng.integers(1, 3, int(another.sum()))
    another = rng.random(count) < RARE
    rows[another, _column("dtls_session_id_length")] = rng.choice(np.array([0.0, 32.0]), int(another.sum()))
    another = rng.random(count) < RARE
    rows[another, _column("dtls_fragmented")] = 1.0 - rows[another, _column("dtls_fragmented")]


def _vary_reports(rows: np.ndarray, rng: np.random.Generator) -> None:
    count = len(rows)
    slower = rng.normal(0.0, SCHEDULE_SPREAD, count)[:, np.newaxis]
    times = rows[:, SCHEDULE_COLUMNS]
    rows[:, SCHEDULE_COLUMNS] = np.where(times > 0, np.maximum(times + slower, 0.0), times)
    first = _column("rtcp_first_ms")
    moved = rows[:, first] + rng.normal(0.0, 2 * SCHEDULE_SPREAD, count) * (rng.random(count) < REORDERED)
    rows[:, first] = moved
    for name in ("rtcp_per_second", "rtcp_count"):
        column = _column(name)
        rate = (np.exp2(rows[:, column]) - 1.0) * np.exp(-slower[:, 0])
        rate = np.maximum(np.round(rate), 1.0) if name == "rtcp_count" else rate
        rows[:, column] = np.log2(1.0 + rate)
    rows[:, DEVIATION_COLUMNS] *= np.exp(rng.normal(0.0, SCHEDULE_SPREAD, (count, len(DEVIATION_COLUMNS))))
    lengths = rows[:, REPORT_LENGTH_COLUMNS]
    longer = 4.0 * rng.integers(-3, 4, (count, 1)) * (rng.random((count, 1)) < REORDERED)
    rows[:, REPORT_LENGTH_COLUMNS] = np.where(lengths > 0, np.maximum(lengths + longer, 8.0), 0.0)


CHANGES: dict[str, tuple[str | None, Change]] = {
    "start": (None, _vary_start),
    "stun": ("stun_seen", _vary_request),
    "dtls": ("dtls_client_hello dtls_server_hello", _vary_hello),
    "rtcp": ("rtcp_count", _vary_reports),
}
"""By group: the columns of which one must not be 0 (there is nothing to vary otherwise), and what varies it."""


def as_other_release(
    features: np.ndarray, rng: np.random.Generator, share: float = OTHER_RELEASE_SHARE
) -> np.ndarray:
    """Return feature rows (n, F) float32, in which each group of CHANGES is varied in `share` of the rows."""
    varied = features.copy()
    for needs, change in CHANGES.values():
        chosen = rng.random(len(varied)) < share
        if needs:
            chosen &= (varied[:, _columns(needs.split())] > 0).any(1)
        if chosen.any():
            rows = varied[chosen].astype(np.float64)
            change(rows, rng)
            varied[chosen] = rows
    return varied
