"""docs/use/spit.md says what the code does: its tables are compared with the code."""

from pathlib import Path

import pytest
from feature_table import feature_table

from callprint.core.call import CallState
from callprint.core.calls.assembly import MessageOutcome
from callprint.core.calls.settings import CallSettings
from callprint.core.signalling.defects import SipDefect
from callprint.core.signalling.sip import MAXIMUM_HEADERS, MAXIMUM_MESSAGE
from callprint.core.signalling.tcp import HOLE_TIMEOUT_NS, MAXIMUM_HELD


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).parents[2] / "docs" / "use" / "spit.md").read_text()


def test_the_feature_table_is_that_of_the_code(page):
    assert feature_table() in page, (
        "run `python tests/feature_table.py` and put its output into docs/use/spit.md"
    )


@pytest.mark.parametrize("names", [CallState, SipDefect, MessageOutcome])
def test_every_state_defect_and_counter_is_explained(page, names):
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_numbers_are_those_of_the_code(page):
    text, settings = " ".join(page.split()), CallSettings()
    for words in (
        f"nothing heard for {settings.setup_timeout_s:.0f} s (not answered)",
        f"or {settings.answered_timeout_s / 3600:.0f} h (answered)",
        f"within {settings.retry_timeout_s:.0f} s",
        f"{settings.call_waits_ns / 1e9:.0f} s of packet time after its end",
        f"| calls | {settings.maximum_calls:,} and {settings.maximum_call_bytes >> 30} GiB, roughly measured |",
        f"| {settings.maximum_flows:,} | the one that is due first",
        f"| TCP directions | {settings.maximum_streams:,} and",
        f"limits ({MAXIMUM_MESSAGE // 1024} KiB, {MAXIMUM_HEADERS} headers)",
        f"within {HOLE_TIMEOUT_NS / 1e9:.0f} s, or behind which {MAXIMUM_HELD // 1024} KiB wait",
    ):
        assert words in text
