"""`import callprint`: what a program gets is what the command line shows."""

import gc
import gzip
import io
import json
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import callprint
from callprint.cli import main
from callprint.core.ground.fields import fields_of, values_of
from callprint.core.verdict import FlowSummary
from callprint.output.tables import CALL_FIELDS, FLOW_FIELDS

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "applications.pcapng"


@pytest.fixture(scope="module")
def flows():
    return list(callprint.identify(SAMPLE, model="none"))


def test_flows_and_calls_are_those_of_the_command_line(tmp_path):
    out = tmp_path / "out.jsonl"
    assert (
        main(["identify", "--model", "none", "--no-store", "--quiet", "--json", str(out), str(SAMPLE)]) == 0
    )
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    run = callprint.identify(SAMPLE, model="none")
    assert [flow.as_dict() for flow in run] == [line for line in lines if line["type"] == "flow"]
    assert [call.call_id for call in run.calls] == [
        line["call_id"] for line in lines if line["type"] == "call"
    ]
    assert sum(run.packets.values()) == 7_257
    assert run.warnings == []


@pytest.mark.parametrize("kind", ["text", "bytes", "file", "no descriptor", "compressed", "pipe"])
def test_a_capture_may_be_given_in_any_way(kind, flows):
    data = SAMPLE.read_bytes()
    if kind == "pipe":
        process = subprocess.Popen(["cat", str(SAMPLE)], stdout=subprocess.PIPE)
        capture = process.stdout
    else:
        capture = {
            "text": str(SAMPLE),
            "bytes": data,
            "file": SAMPLE.open("rb"),
            "no descriptor": io.BytesIO(data),
            "compressed": gzip.compress(data),
        }[kind]
    keys = [flow.key for flow in callprint.identify(capture, model="none")]
    assert keys == [flow.key for flow in flows]
    if kind == "file":
        assert not capture.closed


def test_what_a_flow_gives_by_name_is_what_its_parts_hold(flows):
    for flow in flows:
        values = values_of(flow.verdict) | values_of(flow.summary)
        for name in ("src_ip", "src_port", "dst_ip", "dst_port", "application", "confidence", "packets"):
            assert getattr(flow, name) == values[name]
        assert flow.codec in (flow.summary.codec, flow.summary.announced_codec)
        assert (flow.best_application, flow.key) == (flow.verdict.best_application, flow.verdict.flow)


def test_verdicts_come_before_their_flow_has_ended(flows):
    run = callprint.identify(SAMPLE, model="none")
    final = [verdict.flow for verdict in run.verdicts() if verdict.final]
    assert set(final) == {flow.key for flow in flows}  # one more where signalling names the sender


def test_whoever_leaves_early_keeps_what_was_found(tmp_path):
    store = tmp_path / "store.sqlite"
    for flow in callprint.identify(SAMPLE, model="none", store=str(store)):
        first = flow
        break
    with callprint.open_store(str(store)) as kept:
        assert first.key in {stored.verdict.flow for stored in kept.verdicts(callprint.VerdictQuery())}


def test_the_memory_of_a_run_goes_with_it():
    """It is hundreds of megabytes, and whoever reads many captures does not wait for the collector of cycles."""
    gc.disable()
    try:
        run = callprint.identify(SAMPLE, model="none")
        gone = [weakref.ref(run), weakref.ref(run._run.pipeline)]
        list(run)
        del run
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()


def test_a_closed_run_has_nothing_more_to_give():
    with callprint.identify(SAMPLE, model="none") as run:
        pass
    run.close()
    assert list(run) == []


@pytest.mark.parametrize("library", ["numpy", "pandas", "arrow"])
def test_columns_hold_what_flows_and_calls_hold(library, flows):
    pytest.importorskip({"arrow": "pyarrow"}.get(library, library))
    table, calls = callprint.identify(SAMPLE, model="none", columns=library)
    names = {
        "numpy": lambda: table.dtype.names,
        "pandas": lambda: table.columns,
        "arrow": lambda: table.column_names,
    }
    assert list(names[library]()) == [field.name for field in FLOW_FIELDS]
    rows = [values_of(flow.verdict) | values_of(flow.summary) for flow in flows]
    for field in FLOW_FIELDS:
        column = table[field.name]
        cells = column.to_pylist() if library == "arrow" else column.tolist()
        for cell, row in zip(cells, rows, strict=True):
            wanted = row[field.name]
            if wanted is None and library == "numpy":
                assert cell is None or cell == -1 or np.isnan(cell), field.name
            elif wanted is None and library == "pandas":
                assert cell is None or str(cell) in ("<NA>", "nan"), field.name
            else:
                assert cell == wanted, field.name
    assert len(calls) == 18
    assert len(CALL_FIELDS) == len(calls.dtype.names if library == "numpy" else calls.columns)


def test_columns_of_nothing_have_the_same_types():
    pytest.importorskip("pyarrow")
    empty = b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(8) + (65535).to_bytes(4, "little") + b"\x01\0\0\0"
    of_nothing = callprint.identify(empty, model="none", columns="arrow")
    of_sample = callprint.identify(SAMPLE, model="none", columns="arrow")
    assert of_nothing.flows.schema == of_sample.flows.schema
    assert of_nothing.calls.schema == of_sample.calls.schema
    assert len(callprint.identify(empty, model="none", columns="numpy").flows) == 0


@pytest.mark.parametrize(
    ("arguments", "options", "kind"),
    [
        ((), {}, callprint.ConfigError),
        (("a.pcap",), {"interface": "lo"}, callprint.ConfigError),
        (("no such file",), {"model": "none"}, callprint.CaptureError),
        ((SAMPLE,), {"model": "no such file.onnx"}, callprint.ModelError),
        ((SAMPLE,), {"model": "none", "columns": "excel"}, callprint.ConfigError),
        ((SAMPLE,), {"model": "none", "store": "gopher://x"}, callprint.StoreError),
        ((b"no capture",), {"model": "none"}, callprint.CaptureError),
    ],
)
def test_what_cannot_be_is_an_error_of_the_documented_family(arguments, options, kind):
    with pytest.raises(kind) as raised:
        list(callprint.identify(*arguments, **options))
    assert isinstance(raised.value, callprint.CallprintError)
    assert str(raised.value)


def test_quality_is_that_of_the_command_line(flows, tmp_path):
    out = tmp_path / "out.jsonl"
    assert main(["quality", "--json", str(out), str(SAMPLE)]) == 0
    lines = {(line["src_ip"], line["ssrc"]): line for line in map(json.loads, out.read_text().splitlines())}
    assert len(lines) == len(flows)
    for flow in flows:
        line = lines[flow.src_ip, flow.key.ssrc]
        assert line["mos"] == (None if flow.mos is None else pytest.approx(flow.mos, abs=0.01))
        assert [(each["begins_s"], each["lost"], each["mos"]) for each in line["windows"]] == [
            (window.begins_s, window.lost, window.mos) for window in flow.quality
        ]
        assert all(isinstance(window, callprint.QualityWindow) for window in flow.quality)
    assert any(window.mos for flow in flows for window in flow.quality)


def test_every_stable_name_is_there_and_documented():
    page = (ROOT / "docs" / "use" / "python.md").read_text()
    for name in callprint.__all__:
        assert getattr(callprint, name) is not None
        assert f"`{name}`" in page or name in page.split("What is stable")[0] or name.endswith("Error")
    assert set(callprint.__all__) <= set(dir(callprint))
    with pytest.raises(AttributeError, match="no attribute 'identity'"):
        callprint.identity  # noqa: B018


def test_import_alone_loads_nothing_heavy():
    code = "import sys, callprint; print({'numpy', 'numba', 'onnxruntime', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_field_of_the_list_is_a_column():
    assert {field.name for field in fields_of(FlowSummary)} <= {field.name for field in FLOW_FIELDS}
