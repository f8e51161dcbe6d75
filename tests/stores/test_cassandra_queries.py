"""Which partitions a query reads, without a node: a function answers each statement."""

from collections import namedtuple

from callprint.stores import VerdictQuery
from callprint.stores.cassandra_queries import Queries
from callprint.stores.cassandra_rows import BY_HOST_DAY, DAY_NS, HOUR_NS

Day = namedtuple("Day", "day")
Hour = namedtuple("Hour", "hour application")
DAY = 20_000


def test_a_host_is_looked_for_where_no_hour_of_an_earlier_day_is_in_the_time():
    asked = []

    def run_many(statement, parameters):
        asked.append(statement)
        for of_one in parameters:
            if " FROM day " in statement:
                assert of_one in (("verdict",), (BY_HOST_DAY,))
                yield [Day(DAY)]
            elif " FROM hour_of_day " in statement:
                yield [Hour(24 * DAY + 5, "linphone")]
            else:
                yield []

    query = VerdictQuery(address="192.0.2.1", since_ns=DAY * DAY_NS + 10 * HOUR_NS, limit=10)
    assert list(Queries(run_many).verdicts(query)) == []
    assert any(" FROM verdict_by_host_day " in statement for statement in asked)
    assert not any(" FROM verdict_by_host_hour " in statement for statement in asked)
