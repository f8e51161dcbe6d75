"""The examples of docs/use/python.md run, one after the other, as the page says."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "use" / "python.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    for module in ("pandas", "pyarrow", "onnxruntime"):
        pytest.importorskip(module)
    shutil.copy(ROOT / "samples" / "applications.pcapng", tmp_path / "call.pcap")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLPRINT_STORE", raising=False)
    text = PAGE.read_text()
    names: dict[str, object] = {}
    examples = list(re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert len(examples) >= 8
    for example in examples:
        line = text.count("\n", 0, example.start()) + 1
        exec(compile("\n" * line + example[1], str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "linphone" in printed
    assert "no such file" in printed
