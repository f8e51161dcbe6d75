"""The end of a capture in which thousands of flows are open: in parts, and nothing of it is lost."""

import pytest
from rtp_traffic import Stream, traffic

from callprint.core.flow import EngineSettings
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.identification import CaptureRun
from callprint.stores import open_store
from callprint.stores.queries import CallQuery, VerdictQuery

FLOWS = 5_000  # more than the engine gives at once


@pytest.fixture(scope="module")
def flood():
    return traffic([Stream(number, 4000, 2, ssrc=number) for number in range(1, FLOWS + 1)])


def started(flood):
    pipeline = IdentificationPipeline(None, EngineSettings(maximum_flows=8192))
    assert not pipeline.process(*flood).reports
    return pipeline


def test_parts_are_the_whole(flood):
    whole, parts = started(flood).finish(), list(started(flood).finish_in_parts())
    assert len(parts) > 1
    assert [report for part in parts for report in part.reports] == whole.reports
    assert [verdict for part in parts for verdict in part.verdicts] == whole.verdicts


@pytest.mark.parametrize("fails", [False, True])
def test_all_flows_are_stored_also_when_a_callback_fails(flood, tmp_path, fails):
    def report(_report):
        if fails:
            raise BrokenPipeError

    with open_store(str(tmp_path / "verdicts.sqlite")) as store:
        run = CaptureRun(started(flood), store, on_report=report, calls=CallPipeline())
        if fails:
            with pytest.raises(BrokenPipeError):
                run.finish()
            run.store_rest()
        else:
            run.finish()
            assert sum(1 for _ in store.calls(CallQuery())) == FLOWS
        assert len({stored.verdict.flow for stored in store.verdicts(VerdictQuery())}) == FLOWS
