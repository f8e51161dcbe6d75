"""Rows of Cassandra that are stored together share partitions: a node pays for each."""

from dataclasses import replace

import pytest
from call_samples import call
from verdict_samples import LINPHONE, verdict

from callprint.stores.cassandra_rows import (
    HOST_BUCKETS,
    bucket_of,
    by_partition,
    call_rows,
    host_bucket,
    verdict_rows,
)
from callprint.stores.cassandra_schema import SchemaSettings, migrations, statements

SILENT = replace(
    call(), call_id="media:0123456789abcdef01234567", from_tag="", caller="", callee="", campaign=""
)


def test_verdicts_of_many_hosts_are_few_partitions():
    many = [verdict(LINPHONE._replace(src_ip=f"10.0.{i // 250}.{i % 250}")) for i in range(1000)]
    rows = [row for value in many for row in verdict_rows(value, 1) if row.table == "verdict_by_host_hour"]
    assert len(rows) == 2000
    assert len(list(by_partition(rows))) == HOST_BUCKETS
    assert all(row.partition[1] == host_bucket(row.apart[0]) for row in rows)


def test_a_call_without_signalling_is_one_write_of_a_node():
    (together,) = by_partition(call_rows(SILENT, 1))
    assert [row.table for row in together] == ["call_by_hour", "media_call_by_id"]
    assert together[0].partition[1] == bucket_of(SILENT.call_id, "")


def test_a_caller_who_names_his_call_like_one_without_signalling_is_found_by_its_call_id():
    assert "call_by_id" in [row.table for row in call_rows(replace(call(), call_id="media:me"), 1)]


@pytest.mark.parametrize("table", ["verdict_by_host_hour", "media_call_by_id"])
def test_a_row_has_columns_of_its_table_and_its_whole_key(table):
    (created,) = (
        statement
        for _, text in migrations()
        for statement in statements(text, SchemaSettings())
        if statement.startswith(f"CREATE TABLE {table} ")
    )
    body, _, rest = created.partition("(")[2].partition(" PRIMARY KEY ((")
    known = {column.split()[0] for column in body.split(",") if column.strip()}
    key = set(rest.partition("))")[0].replace(")", "").split(", "))
    (columns, *_) = (
        set(row.columns) for row in (*verdict_rows(verdict(), 1), *call_rows(SILENT, 1)) if row.table == table
    )
    assert key <= columns <= known
