"""What flows say of a call."""

from dataclasses import replace

import pytest
from verdict_samples import LINPHONE, PJSUA, summary

from callprint.core.quality.call_quality import call_quality

FROM_CALLER = replace(summary(LINPHONE), mos=4.4, lost=0)
FROM_CALLEE = replace(summary(PJSUA), mos=3.2, lost=0)


def notes(caller, callee, answered=True):
    return call_quality(caller, callee, answered=answered).notes


def test_both_directions_have_their_mos():
    assert call_quality([FROM_CALLER], [FROM_CALLEE], answered=True) == (4.4, 3.2, None)


@pytest.mark.parametrize(
    ("caller", "callee", "expected"),
    [
        ([], [], "no_audio"),
        ([FROM_CALLER], [], "only_caller_heard"),
        ([], [FROM_CALLEE], "only_callee_heard"),
    ],
)
def test_one_way_audio_and_none(caller, callee, expected):
    assert notes(caller, callee) == expected
    assert notes(caller, callee, answered=False) is None


def test_video_is_no_voice():
    video = replace(FROM_CALLER, clock_rate_hz=90_000, packets=10**6)
    assert call_quality([video, FROM_CALLER], [FROM_CALLEE], answered=True).caller_mos == 4.4


def test_silence_needs_five_seconds():
    silent = replace(FROM_CALLER, quiet_share=0.995)
    assert notes([silent], [FROM_CALLEE]) == "caller_silent"
    assert notes([replace(silent, expected=100)], [FROM_CALLEE]) is None


def test_on_which_side_of_the_capture_packets_were_lost():
    before = replace(FROM_CALLEE, lost=10, far_lost_share=0.021)
    assert notes([FROM_CALLER], [before]) == "callee_loss_before_capture"
    after = replace(FROM_CALLEE, lost=0, far_lost_share=0.05)
    assert notes([FROM_CALLER], [after]) == "callee_loss_after_capture"
    both = replace(before, far_lost_share=0.05)
    assert notes([FROM_CALLER], [both]) == "callee_loss_before_capture,callee_loss_after_capture"


def test_a_capture_in_doubt_blames_nobody_before_it():
    doubtful = replace(FROM_CALLEE, lost=50, quality_notes="capture_drops")
    assert notes([FROM_CALLER], [doubtful]) is None
