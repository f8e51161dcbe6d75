"""Rows of another release: what is varied, what stays, and that the columns still fit together."""

import numpy as np
import pytest
from three_kinds import three_kinds

from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS, group_columns
from callprint.core.identify.features import features
from callprint.training.releases import CHANGES, as_other_release


@pytest.fixture(scope="module")
def rows():
    """Rows as recorded, with a Binding request and a ClientHello written into them."""
    dataset = three_kinds()
    found = np.tile(features(dataset.buffer, dataset.spans, 100), (20, 1))
    for name, value in (
        *(("stun_seen", 1), ("stun_attributes", 4), ("stun_user_name_at", 1), ("stun_role_at", 2)),
        *(("stun_priority_at", 3), ("stun_software_at", 4), ("stun_software_length", 12)),
        *(("dtls_client_hello", 1), ("dtls_suites", 2), ("dtls_suite_c02b", 1), ("dtls_suite_c02f", 1)),
        *(("dtls_client_extension_14_at", 1), ("dtls_client_extension_10_at", 2)),
    ):
        found[:, FEATURE_NAMES.index(name)] = value
    return found


def column(rows, name):
    return rows[:, FEATURE_NAMES.index(name)]


def test_only_the_groups_that_releases_change_are_varied(rows):
    varied = as_other_release(rows, np.random.default_rng(1), 1.0)
    assert varied.dtype == np.float32
    assert np.isfinite(varied).all()
    for group in GROUPS:
        columns = group_columns(group)
        changed = (varied[:, columns] != rows[:, columns]).any(1).mean()
        there = group in CHANGES and (group != "rtcp" or (column(rows, "rtcp_count") > 0).any())
        assert changed > 0.5 if there else changed == 0


def test_a_share_of_the_rows_is_varied_group_by_group(rows):
    varied = as_other_release(rows, np.random.default_rng(2), 0.3)
    hello, request = (
        (varied[:, group_columns(group)] != rows[:, group_columns(group)]).any(1)
        for group in ("dtls", "stun")
    )
    for changed in (hello, request):
        assert 0.15 < changed.mean() < 0.35
    assert (hello & ~request).any()
    assert (request & ~hello).any()


def test_counts_and_positions_fit_what_is_there(rows):
    varied = as_other_release(rows, np.random.default_rng(3), 1.0)
    suites = [i for i, name in enumerate(FEATURE_NAMES) if name.startswith("dtls_suite_")]
    assert (column(varied, "dtls_suites") >= varied[:, suites].sum(1)).all()
    ends = [f"stun_{name}_at" for name in ("user_name", "priority", "role", "software", "network_cost")]
    positions = np.stack([column(varied, name) for name in ends], 1)
    for row in positions:
        assert sorted(row[row > 0]) == list(range(1, (row > 0).sum() + 1))
    assert ((column(varied, "stun_software_at") > 0) == (column(varied, "stun_software_length") > 0)).all()
    assert (column(varied, "dtls_server_hello") == 0).all()


def test_a_flow_without_a_handshake_gets_none(rows):
    bare = rows.copy()
    for group in ("stun", "dtls"):
        bare[:, group_columns(group)] = 0
    varied = as_other_release(bare, np.random.default_rng(4), 1.0)
    for group in ("stun", "dtls"):
        assert not varied[:, group_columns(group)].any()


def test_the_same_seed_varies_alike(rows):
    one, again = (as_other_release(rows, np.random.default_rng(5), 0.5) for _ in range(2))
    np.testing.assert_array_equal(one, again)
