"""How stores reach Cassandra, and how their writes are repeated."""

import sys

import pytest

pytest.importorskip("cassandra")

from cassandra import ConsistencyLevel, WriteType
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import RetryPolicy

from callprint.core.ground.errors import StoreError
from callprint.stores.cassandra_connection import TRIES, WriteAgain, cluster_of
from callprint.stores.cassandra_settings import CassandraSettings


def test_a_store_repeats_writes() -> None:
    cluster = cluster_of(CassandraSettings(("127.0.0.1",), "callprint"))
    assert isinstance(cluster.profile_manager.profiles[EXEC_PROFILE_DEFAULT].retry_policy, WriteAgain)


def test_a_driver_without_libev_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # It would take asyncio, which loses answers of protocol 5.
    monkeypatch.setitem(sys.modules, "cassandra.io.libevreactor", None)
    with pytest.raises(StoreError, match="built without libev"):
        cluster_of(CassandraSettings(("127.0.0.1",), "callprint"))


@pytest.mark.parametrize("retries", range(TRIES + 1))
def test_a_write_that_times_out_is_tried_a_few_times(retries: int) -> None:
    decision, consistency = _asked(WriteType.UNLOGGED_BATCH, retries)

    if retries < TRIES - 1:
        assert (decision, consistency) == (RetryPolicy.RETRY, ConsistencyLevel.LOCAL_QUORUM)
    else:
        assert decision == RetryPolicy.RETHROW


def test_a_write_on_a_condition_is_tried_once() -> None:
    assert _asked(WriteType.CAS, 0)[0] == RetryPolicy.RETHROW


def _asked(write_type: int, retries: int) -> tuple[int, int | None]:
    return WriteAgain().on_write_timeout(None, ConsistencyLevel.LOCAL_QUORUM, write_type, 1, 0, retries)
