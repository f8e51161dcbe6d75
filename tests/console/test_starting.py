"""What keeps the console from starting is one line and exit code 4, before a link is shown."""

import socket

import pytest

from callprint.cli import main
from callprint.stores import open_store

pytest.importorskip("uvicorn")


@pytest.fixture
def start(tmp_path, capsys):
    """Start the console with these words; returns (exit code, standard output, standard error)."""
    open_store(str(tmp_path / "store.sqlite")).close()

    def run(*words):
        common = ("--store", tmp_path / "store.sqlite", "--folder", tmp_path / "console")
        code = main(["console", *map(str, (*common, *words))])
        return code, *capsys.readouterr()

    return run


def test_a_port_that_is_taken(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = start("--port", taken.getsockname()[1])
    assert (code, out) == (4, "")
    assert err.startswith("callprint: the console cannot listen at 127.0.0.1, port ")
    assert "name another --port" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--tls-cert", "none.pem", "--tls-key", "none.pem"), "--tls-cert none.pem"),
        (("--key-file", "none.key"), "key file none.key"),
    ],
)
def test_a_file_that_is_missing(start, words, says):
    code, out, err = start(*words)
    assert (code, out) == (4, "")
    assert says in err
    assert "No such file or directory" in err
