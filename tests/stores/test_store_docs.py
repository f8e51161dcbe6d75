"""The examples of docs/use/store.md and docs/use/json.md do what they say."""

import json
import re
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from call_samples import call
from jsonschema import Draft202012Validator
from verdict_samples import provisional, reports, unsure

from callprint.core.verdict import FlowReport
from callprint.output.json_lines import flow_object
from callprint.stores import open_store

DOCS = Path(__file__).parents[2] / "docs"


def examples(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (DOCS / "use" / page).read_text(), re.MULTILINE | re.DOTALL
    )


@pytest.fixture
def store_path(tmp_path):
    path = tmp_path / "calls.sqlite"
    with open_store(str(path)) as store:
        store.put_verdicts([report.verdict for report in reports()])
        store.put_verdicts([provisional(k=4, application="zoiper"), provisional(k=10), provisional(k=40)])
        store.put_flows([report.summary for report in reports()])
        store.put_calls([call(spam=True, spam_score=0.97)])
    return path


def test_every_sql_example_answers(store_path):
    view, *queries = examples("store.md", "sql")
    with closing(sqlite3.connect(f"file:{store_path}?mode=ro", uri=True)) as connection:
        connection.execute(view)
        answers = [connection.execute(query).fetchall() for query in queries]
    by_application, by_host, unnamed, sure_at_k, spam = answers
    assert sorted(by_application) == [("jami", 1, 0.4), ("linphone", 1, 0.4), ("unknown", 2, 0.0)]
    assert by_host == [("192.0.2.10", 1)]
    assert unnamed == [("198.51.100.20", "pjsua", 1, 0.52)]
    assert sure_at_k == [(10, 1), (40, 1)]
    assert spam == [
        ("+4915112345678", "+493012345", "2025-10-09 08:53:20", 0.97, "one call of 30 s to one number")
    ]


def test_the_python_example_runs(store_path, monkeypatch, capsys):
    monkeypatch.chdir(store_path.parent)
    (example,) = examples("store.md", "python")
    exec(compile(example, "docs/use/store.md", "exec"), {})
    assert capsys.readouterr().out == "192.0.2.10 99% 1.625\n"


def test_the_json_example_is_valid_and_names_every_field():
    (example,) = examples("json.md", "json")
    shown = json.loads(example)
    Draft202012Validator(
        json.loads((files("callprint") / "schemas" / "flow.schema.json").read_text())
    ).validate(shown)
    assert list(shown) == list(flow_object(FlowReport(unsure(), reports()[0].summary)))
