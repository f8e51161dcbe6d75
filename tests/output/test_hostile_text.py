"""Text from captures is harmless in a spreadsheet and on a terminal."""

import csv
import io
from dataclasses import replace

import pytest
from call_samples import call
from rich.console import Console
from verdict_samples import LINPHONE, summary, verdict

from callprint.cli import main
from callprint.core.calls.ladder import ladder_of_row
from callprint.core.verdict import FlowReport
from callprint.output.console import printable
from callprint.output.csv_table import write_table
from callprint.output.ladder import print_ladder


def cell(text: str) -> str:
    out = io.StringIO()
    write_table(["text"], [{"text": text}], out)
    return list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1][0]


@pytest.mark.parametrize(
    "text",
    ['=HYPERLINK("http://x","y")', "+cmd|/C calc", "@SUM(1)", "-1+1", "\t=1", "\r=1", "+49+1", "\uff1d1"],
)
def test_a_formula_in_a_cell_is_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["+4930123456", "alice@example.org", "sip:x", "", "4930-12"])
def test_numbers_and_names_stay_as_they_are(text):
    assert cell(text) == text


@pytest.mark.parametrize(
    "letter", "\x00\x1b\x7f\x9b\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ud83d"
)
def test_no_control_or_direction_character_reaches_a_terminal(letter, tmp_path, capsys):
    assert printable(f"a{letter}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("letter", "\x1b\x9b\u202e\u2066\u200f")
def test_error_lines_are_made_printable_too(letter, tmp_path, capsys):
    assert main(["identify", str(tmp_path / f"no{letter}such"), "--no-store", "--model", "none"]) == 4
    assert letter not in capsys.readouterr().err


def test_a_ladder_is_printable_whatever_the_store_holds():
    """A store is data from outside: any text may be in any of its cells."""
    hostile = "\x1b[2J"
    said = {"declared_application": hostile, "declared_version": hostile, "declared_by": hostile}
    found = replace(verdict(LINPHONE), **said)
    ended = summary(LINPHONE, codec=hostile, mos=4.0, mos_band=hostile, quality_notes=hostile)
    record = call(call_id=hostile, caller=hostile, caller_codec=hostile, reason=hostile)
    unseen = replace(record, caller_flows=(), callee_flows=(), signalling_ip=hostile)
    out = io.StringIO()
    for width in (40, 200):
        console = Console(file=out, width=width, markup=False, emoji=False, highlight=False)
        print_ladder(console, ladder_of_row(record, [FlowReport(found, ended)], [found]))
        print_ladder(console, ladder_of_row(unseen, []))
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().count("\N{REPLACEMENT CHARACTER}") > 20
