"""The pages of unknown flows: clustered beside the pages, named, split, merged, exported."""

import io
import re
import time
import zipfile

import numpy as np
import pytest
from console_visitor import HOSTILE, Visitor, fill_unknown
from verdict_samples import verdict

from callprint.console.sessions import Role
from callprint.console.users import Users
from callprint.stores import open_store
from callprint.training.dataset import build_dataset


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """A console that has clustered: the tests on it change nothing."""
    folder = tmp_path_factory.mktemp("unknowns")
    visitor = Visitor(fill_unknown(folder / "store.sqlite"), folder / "console")
    return waited(visitor)


def waited(visitor: Visitor) -> Visitor:
    """Return the visitor once the clusters are there."""
    until = time.monotonic() + 300
    while "As of" not in visitor.get("/unknowns").text and time.monotonic() < until:
        time.sleep(0.1)
    return visitor


@pytest.fixture
def visitor(tmp_path):
    return waited(Visitor(fill_unknown(tmp_path / "store.sqlite"), tmp_path / "console"))


def clusters(visitor: Visitor) -> list[str]:
    return re.findall(r'name="cluster" value="([0-9a-f]+)"', visitor.get("/unknowns").text)


def sent(visitor: Visitor, path: str, **fields: object):
    return visitor.post(path, {"csrf": visitor.csrf("/unknowns"), **fields})


def test_the_first_view_is_answered_at_once_and_says_how_many_flows_are_clustered(tmp_path):
    visitor = Visitor(fill_unknown(tmp_path / "store.sqlite"), tmp_path / "console")
    text = visitor.get("/unknowns").text
    assert "Clustering 29 flows…" in text
    assert 'data-live="/unknowns/events"' in text
    waited(visitor)
    assert "27 flows, 3 clusters" in visitor.get("/unknowns").text


def test_clustering_happens_once_for_a_state_of_the_store(clustered):
    started = re.findall(r"As of [^<]+", clustered.get("/unknowns").text)
    for _ in range(3):
        text = clustered.get("/unknowns").text
        assert re.findall(r"As of [^<]+", text) == started
        assert "clustering anew" not in text
    begun = time.monotonic()
    clustered.get("/unknowns")
    assert time.monotonic() - begun < 0.2


def test_other_evidence_is_clustered_when_asked_for(visitor, tmp_path):
    with open_store(str(tmp_path / "store.sqlite")) as store:
        first = next(store.unknown_evidence())
        flow = first.flow._replace(ssrc=4711)
        store.put_unknown_evidence([(verdict(flow, "unknown", k=100), first.evidence)])
    assert "other flows are kept since" in visitor.get("/unknowns").text
    assert sent(visitor, "/unknowns/renew").status_code == 303
    until = time.monotonic() + 60
    while "28 flows" not in visitor.get("/unknowns").text and time.monotonic() < until:
        time.sleep(0.1)
    assert "28 flows" in visitor.get("/unknowns").text


def test_a_cluster_shows_its_flows_hosts_and_what_they_say_of_themselves(clustered):
    pages = [clustered.get(f"/unknowns/clusters/{name}").text for name in clusters(clustered)]
    assert len(pages) == 3
    assert all(text.count('name="host"') == 9 == text.count('name="flow"') for text in pages)
    assert sum("Zoiper 5.6" in text for text in pages) == 1
    assert "<script>document" not in "".join(pages)
    assert HOSTILE[:20].replace("<", "&lt;").replace(">", "&gt;")[:10] in "".join(pages)
    assert clustered.get("/unknowns/clusters/00000000").status_code == 404
    assert clustered.get("/unknowns/map.svg").text.count("<circle") == 27 + 3


def test_a_split_and_a_merge_can_be_taken_back_and_outlive_the_console(visitor, tmp_path):
    before = clusters(visitor)
    assert sent(visitor, "/unknowns/merge", cluster=before[:2]).status_code == 303
    assert len(clusters(visitor)) == 2
    again = waited(Visitor(tmp_path / "store.sqlite", tmp_path / "console"))
    assert len(clusters(again)) == 2
    assert sent(visitor, "/unknowns/split", cluster=clusters(visitor)[0]).status_code == 303
    assert len(clusters(visitor)) == 3
    for _ in range(2):
        assert sent(visitor, "/unknowns/undo").status_code == 303
    assert clusters(visitor) == before
    assert sent(visitor, "/unknowns/undo").status_code == 409
    for kind, chosen in (("merge", before[:1]), ("split", ["00000000"]), ("merge", [])):
        assert sent(visitor, f"/unknowns/{kind}", cluster=chosen).status_code == 409
    assert sent(visitor, "/unknowns/other").status_code == 404


def test_clusters_hosts_and_flows_get_names_and_the_export_is_a_dataset(visitor, tmp_path):
    first, second, third = clusters(visitor)
    assert sent(visitor, "/unknowns/name", cluster=first, application="zoiper").status_code == 303
    assert clusters(visitor) == [second, third]
    page = visitor.get(f"/unknowns/clusters/{second}").text
    hosts, flows = (re.findall(rf'name="{name}" value="([^"]+)"', page) for name in ("host", "flow"))
    answer = sent(visitor, "/unknowns/name", cluster=second, host=hosts[:3], application="acrobits")
    assert "number=3" in answer.headers["location"]
    answer = sent(visitor, "/unknowns/name", flow=flows[5:7], application="acrobits")
    assert "number=2" in answer.headers["location"]
    assert sent(visitor, "/unknowns/name", cluster=third, application="../../x").status_code == 400
    assert sent(visitor, "/unknowns/name", cluster="00000000", application="x").status_code == 404
    archive = zipfile.ZipFile(io.BytesIO(visitor.get("/unknowns/dataset.zip").content))
    archive.extractall(tmp_path / "dataset")
    dataset, report = build_dataset(tmp_path / "dataset")
    names, counts = np.unique(dataset.application, return_counts=True)
    assert names.tolist() == ["acrobits", "zoiper"]
    assert counts.tolist() == [5, 9]
    assert report.unlabelled_flows == report.labels_without_flow == report.damaged_captures == 0


def test_a_viewer_looks_and_changes_nothing(tmp_path):
    token = Users(tmp_path / "console" / "users.json").set_token("eve", Role.VIEWER)
    visitor = Visitor(fill_unknown(tmp_path / "store.sqlite"), tmp_path / "console", enter=False)
    header = {"Authorization": f"Bearer {token}"}
    until = time.monotonic() + 60
    while "As of" not in visitor.get("/unknowns", headers=header).text and time.monotonic() < until:
        time.sleep(0.1)
    text = visitor.get("/unknowns", headers=header).text
    assert 'name="application"' not in text
    for kind in ("name", "split", "merge", "undo", "renew"):
        assert visitor.post(f"/unknowns/{kind}", {}, headers=header).status_code == 403
    assert visitor.get("/unknowns/dataset.zip", headers=header).status_code == 403


def test_without_the_token_of_the_session_nothing_changes(clustered):
    for kind in ("name", "split", "merge", "undo", "renew"):
        assert clustered.post(f"/unknowns/{kind}", {"cluster": "x"}).status_code == 403


def test_a_damaged_list_of_regroupings_is_said(visitor, tmp_path):
    (tmp_path / "console" / "regroupings.json").write_text('{"a": 1}')
    answer = visitor.get("/unknowns")
    assert answer.status_code == 503
    assert "holds no regroupings" in answer.text
