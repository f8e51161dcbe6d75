"""`callprint verdicts`, from its arguments to what is on standard output and standard error."""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from verdict_samples import JAMI_IPV6, LINPHONE, START_NS, provisional, reports, too_short, verdict

from callprint.cli import verdicts
from callprint.cli.parsers import time_ns
from callprint.core.ground.errors import StoreError
from callprint.output.json_lines import flow_object
from callprint.stores import open_store

SAMPLE = Path(__file__).parents[2] / "samples" / "applications.pcapng"


@pytest.fixture
def store_path(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    with open_store(str(path)) as store:
        earlier = [provisional(k=4, application="zoiper"), provisional(k=10), provisional(k=40)]
        store.put_verdicts([*(report.verdict for report in reports()), *earlier])
        store.put_flows([report.summary for report in reports()])
    return path


def call(*arguments) -> int:
    parser = argparse.ArgumentParser(prog="callprint")
    verdicts.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["verdicts", *map(str, arguments)])
    return args.run(args)


def json_lines(capsys) -> list[dict]:
    captured = capsys.readouterr()
    assert captured.err == "", "only data is asked for"
    return [json.loads(line) for line in captured.out.splitlines()]


def test_json_has_the_last_verdict_of_each_flow_latest_first(store_path, capsys):
    assert call("--store", store_path, "--json") == 0
    expected = sorted(reports(), key=lambda report: -report.verdict.decided_at_ns)
    assert json_lines(capsys) == [flow_object(report) for report in expected]


def test_all_adds_the_provisional_verdicts(store_path, capsys):
    call("--store", store_path, "--json", "--all", "--address", "192.0.2.10")
    said = [(line["src_ip"], line["application"], line["k"], line["final"]) for line in json_lines(capsys)]
    assert said == [
        ("203.0.113.5", "unknown", 3, True),
        ("198.51.100.20", "unknown", 100, True),
        ("192.0.2.10", "linphone", 100, True),
        ("192.0.2.10", "linphone", 40, False),
        ("192.0.2.10", "linphone", 10, False),
        ("192.0.2.10", "zoiper", 4, False),
    ]


@pytest.mark.parametrize(
    ("conditions", "sources"),
    [
        (["--address", "2001:0db8::0010"], [JAMI_IPV6.src_ip]),
        (["--application", "unknown"], ["203.0.113.5", "198.51.100.20"]),
        (["--application", "zoiper"], []),
        (["--until", verdict().decided_at_ns], []),
        (["--until", verdict().decided_at_ns + 1], ["192.0.2.10"]),
        (
            ["--since", "2025-10-09T08:53:22.1", "--until", "2025-10-09T08:53:22.15"],
            ["198.51.100.20", "192.0.2.10"],
        ),
        (["--limit", "1"], [JAMI_IPV6.src_ip]),
    ],
)
def test_conditions(store_path, capsys, conditions, sources):
    call("--store", store_path, "--json", *conditions)
    assert [line["src_ip"] for line in json_lines(capsys)] == sources


def test_fingerprints_by_pattern(store_path, capsys):
    with open_store(str(store_path)) as store:
        store.put_verdicts([verdict(JAMI_IPV6._replace(ssrc=99), fingerprint="mf1_-_0lhnnnn_-_-")])
    call("--store", store_path, "--json", "--fingerprint", "mf1_*_0lhnnnn_*")
    assert [line["fingerprint"] for line in json_lines(capsys)] == ["mf1_-_0lhnnnn_-_-"]
    call("--store", store_path, "--json", "--fingerprint", "mf1_*_rrrnnnn_*")
    assert json_lines(capsys) == []


def test_csv(store_path, capsys):
    call("--store", store_path, "--csv", "--application", "linphone")
    captured = capsys.readouterr()
    assert captured.err == ""
    (row,) = csv.DictReader(io.StringIO(captured.out))
    assert (row["src_ip"], row["application"], row["final"]) == ("192.0.2.10", "linphone", "true")


def test_the_table_says_at_which_k_a_flow_was_sure(store_path, capsys):
    assert call("--store", store_path) == 0
    out = capsys.readouterr().out
    assert "98.8%, 10 " in out, "from k = 10 on it was linphone; at k = 4 it was not"
    assert "2025-10-09 08:53:20" in out
    assert f"4 flows in sqlite:{store_path}" in out.replace("\n", "")


def test_the_table_of_all_verdicts_has_each_with_its_own_k(store_path, capsys):
    call("--store", store_path, "--all", "--application", "linphone")
    out = capsys.readouterr().out
    assert all(f"98.8%, {k} " in out for k in (10, 40, 100))
    assert "3 verdicts in" in out


def test_nothing_matches(store_path, capsys):
    assert call("--store", store_path, "--application", "skype") == 0
    assert "No verdict in" in capsys.readouterr().out
    assert call("--store", store_path, "--application", "skype", "--json") == 0
    assert json_lines(capsys) == []


def test_a_long_answer_for_people_says_that_there_is_more(store_path, capsys):
    with open_store(str(store_path)) as store:
        store.put_verdicts(verdict(LINPHONE._replace(src_port=port)) for port in range(1024, 1300))
    call("--store", store_path)
    assert "200 flows in" in (first := capsys.readouterr().out)
    assert "There are more" in first
    call("--store", store_path, "--limit", "250")
    assert "250 flows in" in (second := capsys.readouterr().out)
    assert "There are more" not in second


def test_the_variable_names_the_store(store_path, capsys, monkeypatch):
    monkeypatch.setenv("CALLPRINT_STORE", f"sqlite:{store_path}")
    call("--json", "--application", "jami")
    assert len(json_lines(capsys)) == 1


def test_a_question_makes_no_store(tmp_path):
    with pytest.raises(StoreError, match="there is no verdict store"):
        call("--store", tmp_path / "new.sqlite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "localhost"], "not an IPv4 or IPv6 address"),
        (["--since", "yesterday"], "is no time; write 2026-11-22"),
        (["--limit", "0"], "at least 1"),
        (["--limit", "-5"], "at least 1"),
        (["--limit", "99999999999999999999999"], "and at most"),
        (["--json", "--csv"], "not allowed with argument"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_to_write(arguments, message, capsys):
    with pytest.raises(SystemExit) as exited:
        call(*arguments)
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1760000000123456789", START_NS),
        ("2025-10-09T08:53:20.123456", 1760000000123456000),
        ("2025-10-09T10:53:20+02:00", 1760000000000000000),
        ("2025-10-09", 1759968000000000000),
        ("1970-01-01", 0),
        ("20251009", 1759968000000000000),
    ],
)
def test_times_as_people_write_them(text, expected):
    assert time_ns(text) == expected


@pytest.mark.parametrize("text", ["", "12", "2025", "2025-13-01", "１２３４５６７８９０１２３４５６", "-1"])
def test_what_is_no_time(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        time_ns(text)


@pytest.mark.parametrize(
    ("form", "reads_a_line"),
    [(["--json"], True), (["--json", "--limit", "1"], False), ([], False), (["--help"], True)],
)
def test_a_reader_that_leaves_early_is_no_error(store_path, form, reads_a_line):
    with open_store(str(store_path)) as store:
        store.put_verdicts(too_short(LINPHONE._replace(src_port=port)) for port in range(1024, 3000))
    command = [sys.executable, "-m", "callprint", "verdicts", "--store", store_path, *form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        if reads_a_line:
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_what_identify_found_is_kept_when_its_reader_leaves_early(tmp_path, capsys):
    path = tmp_path / "new.sqlite"
    command = [sys.executable, "-m", "callprint", "identify", SAMPLE, "--json", "-", "--store", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert b"Error" not in process.stderr.read()
        assert process.wait(timeout=60) == 0
    call("--store", path, "--json")
    assert json_lines(capsys)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Linphone", "did you mean linphone"), ("nosuch", "No product is called"), ("snom", "")],
)
def test_a_declared_name_that_is_none_is_said(store_path, capsys, name, hint):
    assert call("--store", store_path, "--declared", name) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert hint in out
    assert ("No product" in out) == bool(hint)
