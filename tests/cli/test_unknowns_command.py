"""`callprint unknowns` from a capture to training data, and that nothing is kept unless asked for."""

import csv
import json
from pathlib import Path

import pytest
from cli.json_docs import documented

from callprint.cli import main
from callprint.stores import VerdictQuery, open_store

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"


@pytest.fixture(scope="module")
def strict_model(tmp_path_factory):
    """The shipped network, sure of nothing: every flow of the sample stays unknown."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "compact.onnx").write_bytes((ROOT / "models" / "compact.onnx").read_bytes())
    card = json.loads((ROOT / "models" / "compact.json").read_text())
    card["policy"]["threshold"] = 1.0
    card["policy"]["novelty_thresholds"] = [[2, 0.0]]
    (folder / "compact.json").write_text(json.dumps(card))
    return folder / "compact.onnx"


@pytest.fixture(scope="module")
def store(strict_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "verdicts.sqlite"
    assert (
        main(["identify", str(SAMPLE), "--model", str(strict_model), "--store", str(path), "--keep-unknown"])
        == 0
    )
    return path


def test_nothing_is_kept_unless_it_is_asked_for(strict_model, tmp_path, capsys):
    path = tmp_path / "verdicts.sqlite"
    assert main(["identify", str(SAMPLE), "--model", str(strict_model), "--store", str(path)]) == 0
    with open_store(str(path), create=False) as store:
        assert list(store.unknown_evidence()) == []
    capsys.readouterr()
    assert main(["unknowns", "--store", str(path), "--named", str(tmp_path / "named")]) == 0
    assert "No unknown flow is kept" in capsys.readouterr().out


def test_what_is_kept_is_unknown_and_final(store):
    with open_store(str(store), create=False) as opened:
        unknown = {
            row.verdict.flow: row.verdict for row in opened.verdicts(VerdictQuery(application="unknown"))
        }
        kept = list(opened.unknown_evidence())
    assert len(kept) >= 8
    assert all(unknown[each.flow].final and unknown[each.flow].k == each.k for each in kept)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--keep-unknown", "--no-store"], "cannot go with --no-store"),
        (["--keep-unknown-days", "3"], "give that as well"),
        (["--keep-unknown", "--keep-unknown-days", "9999"], "at most 365"),
        (["--keep-unknown", "--keep-unknown-flows", "9", "--store", "cassandra://h/k"], "evidence_ttl_days"),
    ],
)
def test_options_that_contradict_each_other(options, says, capsys):
    assert main(["identify", str(SAMPLE), *options]) == 2
    assert says in capsys.readouterr().err


def test_from_a_cluster_to_training_data(store, tmp_path, capsys):
    named = tmp_path / "named"
    common = ["--store", str(store), "--named", str(named)]
    picture = tmp_path / "map.svg"
    assert main(["unknowns", *common, "--json", "--map", str(picture)]) == 0
    clusters = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert set(clusters[0]) | set(clusters[0]["members"][0]) <= documented("unknowns")
    assert picture.read_text().startswith("<svg")
    assert picture.stat().st_mode & 0o077 == 0, "it shows addresses"
    assert main(["unknowns", *common]) == 0
    assert clusters[0]["cluster"] in capsys.readouterr().out
    assert main(["unknowns", "name", clusters[0]["cluster"], "Zoiper", *common]) == 0
    assert f"{clusters[0]['flows']} flow" in capsys.readouterr().out
    rows = list(csv.DictReader((named / "flows.csv").open()))
    assert {(row["src_ip"], int(row["src_port"])) for row in rows} == {
        (member["src_ip"], member["src_port"]) for member in clusters[0]["members"]
    }
    assert {row["application"] for row in rows} == {"Zoiper"}
    assert main(["unknowns", "name", clusters[0]["cluster"], "Zoiper", *common]) == 4, "it has its name"
    assert "there is no cluster" in capsys.readouterr().err


def unknown_flows(capsys, common):
    assert main(["unknowns", *common, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [member for each in found for member in each["members"]], found


def test_one_flow_or_all_of_a_host_get_a_name(store, tmp_path, capsys):
    named = tmp_path / "named"
    common = ["--store", str(store), "--named", str(named)]
    flows, _ = unknown_flows(capsys, common)
    one = flows[0]
    assert main(["unknowns", "name", "--flow", one["flow"], "Zoiper", *common]) == 0
    assert "1 flow of flow" in capsys.readouterr().out
    assert main(["unknowns", "name", "--flow", one["flow"], "Zoiper", *common]) == 4, "it has its name"
    other = next(flow for flow in flows if flow["src_ip"] != one["src_ip"])
    assert main(["unknowns", "name", other["src_ip"], "Bria", *common]) == 0
    capsys.readouterr()
    rows = list(csv.DictReader((named / "flows.csv").open()))
    own = [flow for flow in flows if flow["src_ip"] == other["src_ip"]]
    assert [row["application"] for row in rows] == ["Zoiper", *["Bria"] * len(own)]
    assert {row["src_ip"] for row in rows[1:]} == {other["src_ip"]}
    assert main(["unknowns", "name", other["src_ip"], "Bria", *common]) == 4
    assert "sent no unknown flow" in capsys.readouterr().err
    for path in [named, *named.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, "voice is for its owner alone"


def test_what_flows_declare_is_a_hint(store, tmp_path, capsys):
    flows, clusters = unknown_flows(capsys, ["--store", str(store), "--named", str(tmp_path)])
    declared = [flow["declared"] for flow in flows if flow["declared"]]
    assert declared, "baresip, linphone and others say in RTCP what they are"
    counted = sum(count for each in clusters for count in each.get("declared", {}).values())
    single = [member for each in clusters if each["cluster"] is None for member in each["members"]]
    assert counted == len(declared) - sum(bool(member["declared"]) for member in single)


def test_a_known_application_keeps_its_engine(store, tmp_path, capsys):
    common = ["--store", str(store), "--named", str(tmp_path / "named")]
    assert main(["unknowns", *common, "--json"]) == 0
    cluster = json.loads(capsys.readouterr().out.splitlines()[0])["cluster"]
    assert main(["unknowns", "name", cluster, "linphone", *common]) == 0
    assert {row["engine"] for row in csv.DictReader((tmp_path / "named" / "flows.csv").open())} == {"oRTP"}


def test_a_name_that_is_none(store, tmp_path, capsys):
    assert main(["unknowns", "name", "x", "../x", "--store", str(store)]) == 4
    assert "cannot name an application" in capsys.readouterr().err
