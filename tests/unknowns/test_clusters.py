"""Unknown flows in clusters: similar ones together, whatever their order, each flow once."""

import numpy as np
import pytest
from evidence_logs import steady_flow
from unknown_samples import strangers
from verdict_samples import verdict

from callprint.core.ground.errors import ModelError
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.stores import open_store
from callprint.unknowns.clusters import (
    cluster_labels,
    find_cluster,
    flow_digest,
    name_in,
    positions,
    unknown_map,
    usual_codec,
)
from callprint.unknowns.picture import cluster_letter, map_svg


@pytest.fixture(scope="module")
def identifier():
    return load_model(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def kept():
    """Three strangers with nine flows each, and two flows that are too short."""
    return strangers()


def kinds_of(found, cluster):
    return {found.flows[i].kept.flow.ssrc % 3 for i in cluster.members}


def test_each_stranger_is_a_cluster(kept, identifier):
    found = unknown_map(kept, identifier)
    assert len(found.flows) == 27
    assert found.too_short == 2
    assert sorted(map(len, (kinds_of(found, cluster) for cluster in found.clusters))) == [1, 1, 1]
    assert sum(len(cluster.members) for cluster in found.clusters) + len(found.single) == 27
    codecs = {kind: cluster.codecs for cluster in found.clusters for kind in kinds_of(found, cluster)}
    assert codecs[0][0][0] == "PCMU"
    assert codecs[1][0][0] == "dynamic 111"
    assert all(cluster.hosts == len(cluster.members) for cluster in found.clusters)


def test_a_name_from_signalling_is_a_hint_as_one_in_the_packets_is(kept, identifier, tmp_path):
    with open_store(f"sqlite:{tmp_path}/v.sqlite") as store:
        store.put_verdicts(
            verdict(each.flow, "unknown", reason="novel", declared_application="yealink", declared_by="sip")
            for each in kept[:3]
        )
        found = unknown_map(kept, identifier, name_of=name_in(store))
    named = {flow.digest for flow in found.flows if flow.declared == "yealink"}
    assert named == {flow_digest(each.flow) for each in kept[:3]} & {flow.digest for flow in found.flows}
    assert named
    assert sum(dict(cluster.declared).get("yealink", 0) for cluster in found.clusters) <= len(named)


def test_names_do_not_depend_on_the_order_and_stay_when_flows_come(kept, identifier):
    names = {cluster.name for cluster in unknown_map(kept, identifier).clusters}
    assert names == {cluster.name for cluster in unknown_map(kept[::-1], identifier).clusters}
    assert names == {cluster.name for cluster in unknown_map(kept[:24], identifier).clusters}
    assert names <= {flow_digest(each.flow) for each in kept[:3]}, "each is called after its oldest flow"


def test_a_cluster_is_found_by_any_of_its_flows(kept, identifier):
    found = unknown_map(kept, identifier)
    cluster = found.clusters[0]
    member = found.flows[cluster.members[-1]].digest
    assert find_cluster(found, cluster.name) == find_cluster(found, member) == cluster
    assert find_cluster(found, "nothing") is None


def test_a_flow_that_was_kept_twice_counts_once_and_named_ones_not_at_all(kept, identifier):
    shorter = [each._replace(k=40, model="compact 0") for each in kept[:27]]
    found = unknown_map([*kept, *shorter], identifier)
    assert [flow.kept.k for flow in found.flows] == [100] * 27
    named = frozenset(flow_digest(each.flow) for each in kept[::3])
    rest = unknown_map(kept, identifier, named)
    assert len(rest.flows) == 18
    assert {flow.kept.flow.ssrc % 3 for flow in rest.flows} == {1, 2}
    everything = {cluster.name: kinds_of(found, cluster) for cluster in found.clusters}
    assert {cluster.name for cluster in rest.clusters} == {
        name for name, kinds in everything.items() if kinds != {0}
    }
    some = frozenset(flow_digest(each.flow) for each in kept[:24])
    few = unknown_map(kept, identifier, some)
    assert {cluster.name for cluster in few.clusters} == set(everything), "others stay in their clusters"


def test_little_is_not_clustered(kept, identifier):
    assert cluster_labels(np.zeros((4, 3), np.float32)).tolist() == [-1] * 4
    found = unknown_map([], identifier)
    assert (found.flows, found.clusters, found.single) == ((), (), ())
    found = unknown_map(kept[:4], identifier)
    assert len(found.single) == 4
    assert "<svg" in map_svg(found)


def test_the_picture_shows_every_flow_and_every_cluster(kept, identifier):
    found = unknown_map(kept, identifier)
    places = positions(found.embedding)
    assert places.shape == (27, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    picture = map_svg(found, {found.clusters[0].name: "<Zoiper>"})
    assert picture.count("<title>") == 27
    for cluster in found.clusters:
        assert cluster.name in picture
    assert "&lt;Zoiper&gt;" in picture
    assert map_svg(found) == map_svg(unknown_map(kept, identifier)), "the same flows, the same picture"


def test_letters_go_on_after_z():
    assert [cluster_letter(i) for i in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


def test_codecs_are_named():
    assert usual_codec(steady_flow(3, kind=9)) == "G722"
    assert usual_codec(b"") == "none"


def test_a_network_without_an_embedding_is_refused(identifier, kept, monkeypatch):
    monkeypatch.setattr(identifier, "_embedding_columns", 0)
    with pytest.raises(ModelError, match="train it anew"):
        unknown_map(kept, identifier)
