"""Identities and session descriptions as the world sends them: cases of shared/data/world with their right values."""

import pytest

from callprint.core.call import CallRecord, CallState, EndedBy, Phase
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.identification import CaptureRun
from callprint.numbering import numbering_plan
from callprint.sources import open_captures

CALLER, CALLEE = "+12025550101", "+12025550102"


def ended_calls(capture, country_code="") -> list[CallRecord]:
    """Return the calls at their end, those without signalling included."""
    records: list[CallRecord] = []
    calls = CallPipeline(identities=IdentityReader(numbering_plan(country_code)))
    run = CaptureRun(IdentificationPipeline(None), None, calls=calls, on_call=records.append)
    for _ in run.process_all(open_captures([capture])):
        pass
    run.finish()
    last = {(call.call_id, call.from_tag): call for call in records if call.phase is Phase.END}
    return sorted(last.values(), key=lambda call: call.started_ns)


@pytest.mark.parametrize(
    "name",
    [
        "09-long-call-id",
        "10-empty-rtpmap",
        "11-unterminated-quote",
        "12-many-candidates",
        "12b-few-candidates",
        "16-odd-headers",
    ],
)
def test_one_completed_call_with_its_media(world, name):
    (call,) = ended_calls(world / f"{name}.pcap")
    assert (call.caller, call.callee, call.state) == (CALLER, CALLEE, CallState.COMPLETED)
    assert call.ended_by is not EndedBy.MEDIA


def test_user_parameters_are_none_of_the_number(world):
    calls = ended_calls(world / "05-user-parameters.pcap")
    assert [(call.caller, call.callee) for call in calls] == [(CALLER, CALLEE)] * 2


def test_national_numbers_without_trunk_prefix(world):
    calls = ended_calls(world / "38-national-number-without-trunk-prefix.pcap", "1")
    assert [call.caller for call in calls] == [CALLER] * 3
