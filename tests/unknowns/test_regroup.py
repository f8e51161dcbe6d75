"""Splits and merges: every flow stays in the map, once, and a step whose clusters are gone changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unknown_samples import strangers

from callprint.unknowns.clusters import KeptFlow, UnknownMap, flow_digest, grouped, without
from callprint.unknowns.regroup import MERGE, SPLIT, Step, regrouped


def drawn() -> UnknownMap:
    """27 flows on a line: three clusters of eight, three flows alone."""
    flows = tuple(KeptFlow(each, flow_digest(each.flow), "PCMU", "jami", 0.5) for each in strangers()[:27])
    embedding = np.array([[10.0 * (i % 9) + i / 9, 0.0] for i in range(27)], np.float32)
    groups = [np.array([i for i in range(24) if i % 3 == rest]) for rest in range(3)]
    names = [flows[int(members[0])].digest for members in groups]
    return grouped(UnknownMap(flows, (), (24, 25, 26), 0, embedding), zip(names, groups, strict=True))


DRAWN = drawn()
NAMES = [each.name for each in DRAWN.clusters]


def places(found: UnknownMap) -> list[int]:
    return sorted([*found.single, *(i for each in found.clusters for i in each.members)])


def test_a_split_makes_two_of_one_and_keeps_the_name_with_the_oldest_flow():
    found = regrouped(DRAWN, [Step(SPLIT, (NAMES[0],))])
    assert len(found.clusters) == 4
    parts = [each for each in found.clusters if each.name not in NAMES[1:]]
    assert NAMES[0] in {each.name for each in parts}
    low, high = sorted(([found.embedding[i, 0] for i in each.members] for each in parts), key=min)
    assert max(low) < min(high)


def test_a_merge_makes_one_of_several_and_takes_the_name_of_the_oldest():
    found = regrouped(DRAWN, [Step(MERGE, tuple(NAMES[:2]))])
    assert sorted(len(each.members) for each in found.clusters) == [8, 16]
    oldest = min(NAMES[:2], key=[f.digest for f in DRAWN.flows].index)
    assert found.clusters[0].name == oldest


@given(
    st.lists(
        st.builds(
            lambda kind, names: Step(kind, tuple(names)),
            st.sampled_from([SPLIT, MERGE]),
            st.lists(st.sampled_from([*NAMES, "00000000"]), min_size=1, max_size=3),
        ),
        max_size=6,
    ),
    st.sets(st.sampled_from([flow.digest for flow in DRAWN.flows])),
)
@settings(deadline=None, max_examples=40)
def test_no_flow_is_lost_or_doubled(steps, named):
    found = regrouped(DRAWN, steps)
    assert places(found) == list(range(27))
    assert len({each.name for each in found.clusters}) == len(found.clusters)
    assert all(each.members for each in found.clusters)
    rest = without(found, frozenset(named))
    assert {flow.digest for flow in rest.flows} == {flow.digest for flow in DRAWN.flows} - named
    assert places(rest) == list(range(len(rest.flows)))


@pytest.mark.parametrize("step", [Step(SPLIT, ("00000000",)), Step(MERGE, (NAMES[0], "00000000"))])
def test_a_step_on_what_is_gone_changes_nothing(step):
    assert regrouped(DRAWN, [step]) is DRAWN
