"""Calls of a recording: what belongs together by addresses, programs and time."""

import pytest

from callprint.declared_names import shipped_names
from callprint.recording.flows_of_call import TOGETHER_NS, Sent, number_calls

HERE, THERE, ELSEWHERE = "192.0.2.1", "198.51.100.7", "198.51.100.8"


def sent(port, first_ns, program="phone", to=THERE):
    return Sent((HERE, port), (to, port + 1000), program, first_ns)


def test_audio_and_video_of_a_call_are_one_and_the_next_call_is_another():
    audio, video, later = sent(4000, 0), sent(4002, TOGETHER_NS), sent(4004, TOGETHER_NS + 1)
    assert number_calls([video, later, audio]) == [1, 2, 1]


def test_calls_that_begin_one_after_the_other_are_no_chain():
    assert number_calls([sent(4000 + 2 * i, i * TOGETHER_NS // 2) for i in range(6)]) == [1, 1, 1, 2, 2, 2]


def test_another_program_or_another_machine_is_another_call():
    assert number_calls([sent(4000, 0), sent(4002, 0, "other"), sent(4004, 0, to=ELSEWHERE)]) == [1, 2, 3]


def test_both_directions_are_one_call_whoever_sends_them_and_join_what_belongs_to_either():
    audio, video = sent(4000, 0), sent(4002, 10)
    back = Sent(audio.destination, audio.source, "other", 20)
    assert number_calls([back, video, audio]) == [1, 1, 1]
    assert number_calls([back, video]) == [1, 2]


def test_an_empty_recording_has_no_call():
    assert number_calls([]) == []


@pytest.mark.parametrize(
    ("program", "name"),
    [
        *(
            ("chrome", "chromium"),
            ("firefox-esr", "firefox"),
            ("jamid", "jami"),
            ("gst-launch-1.0", "gstreamer"),
        ),
        *(("pjsua-x86_64-unknown-linux-gnu", "pjsua"), ("linphone-desktop", "linphone")),
        *(("onedrive", None), ("line", None), ("my-phone", None), ("chrome-remote-desktop-host", None)),
    ],
)
def test_programs_have_the_names_that_networks_know(program, name):
    assert shipped_names().by_program(program) == name
