"""What takes the place of `storm` and `lein` while `sparse run` runs."""

import pytest

from callprint.services.layout import Layout, standard_layout
from callprint.services.run import as_lein, as_storm, main


@pytest.fixture
def layout(tmp_path, monkeypatch) -> Layout:
    monkeypatch.setenv("CALLPRINT_CLUSTER_HOME", str(tmp_path))
    return standard_layout()


def test_the_stand_in_for_storm_runs_a_local_cluster_and_refuses_the_rest(layout, capsys):
    assert as_storm(["version"], layout)[0] == "echo"
    command = as_storm(
        ["jar", "t.jar", "org.apache.storm.flux.Flux", "--local", "--sleep", "9223372036854775807", "t.yaml"],
        layout,
    )
    assert command[-4:] == [
        "org.apache.storm.LocalCluster",
        "org.apache.storm.flux.Flux",
        "--no-splash",
        "t.yaml",
    ]
    assert command[command.index("-cp") + 1].startswith("t.jar:")
    assert "-Dstorm.local.sleeptime=1000000" in command
    assert main(["as-storm", "supervisor"]) == 1
    assert "knows `version` and `jar`" in capsys.readouterr().err


def test_leiningen_names_storm_and_does_the_rest_itself(monkeypatch):
    monkeypatch.setenv("CALLPRINT_LEIN", "/usr/bin/lein")
    assert as_lein(["deps", ":tree"])[1].startswith('[org.apache.storm/storm-core "')
    assert as_lein(["uberjar"]) == ["/usr/bin/lein", "uberjar"]


@pytest.mark.parametrize(
    ("text", "message"), [("[", "is not a configuration"), ('{"envs": {}}', "not a configuration")]
)
def test_a_wrong_configuration_is_an_error_in_one_line(text, message, tmp_path, capsys):
    pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")
    path = tmp_path / "config.json"
    path.write_text(text)
    code = main(["--config", str(path)])
    output = capsys.readouterr().err
    assert code == 1
    assert message in output or "not on the PATH" in output
