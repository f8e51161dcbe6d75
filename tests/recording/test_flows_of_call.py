"""Calls of a recording: what belongs together by addresses, programs and time."""

from callprint.recording.flows_of_call import Sent, number_calls
from callprint.recording.programs import Program

PHONE, OTHER = Program("phone", "1", ""), Program("other", "1", "")
HERE, THERE, ELSEWHERE = "192.0.2.1", "198.51.100.7", "198.51.100.8"


def sent(port, first_ns, last_ns, program=PHONE, to=THERE):
    return Sent((HERE, port), (to, port + 1000), program, first_ns, last_ns)


def test_audio_and_video_of_a_call_are_one_and_the_next_call_is_another():
    audio, video = sent(4000, 0, 90), sent(4002, 10, 80)
    later = sent(4004, 100, 190)
    assert number_calls([video, later, audio]) == [1, 2, 1]


def test_media_that_overlap_one_after_the_other_are_one_call():
    assert (
        number_calls([sent(4000, 0, 50), sent(4002, 10, 20), sent(4004, 45, 99), sent(4006, 99, 120)])
        == [1] * 4
    )


def test_another_program_or_another_machine_is_another_call():
    assert number_calls([sent(4000, 0, 9), sent(4002, 0, 9, OTHER), sent(4004, 0, 9, to=ELSEWHERE)]) == [
        1,
        2,
        3,
    ]


def test_both_directions_are_one_call_whoever_sends_them_and_join_what_belongs_to_either():
    audio, video = sent(4000, 0, 90), sent(4002, 10, 80)
    back = Sent(audio.destination, audio.source, OTHER, 200, 300)
    assert number_calls([back, video, audio]) == [1, 1, 1]
    assert number_calls([back, video]) == [1, 2]


def test_an_empty_recording_has_no_call():
    assert number_calls([]) == []
