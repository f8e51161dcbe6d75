"""What the flows of a call say of it: how well either party was heard, and which way something went wrong."""

from collections.abc import Sequence
from typing import NamedTuple

from callprint.core.verdict import FlowSummary

_VIDEO_HZ = 90_000
_QUIET = 0.99
_LEAST_PACKETS = 250  # of a flow that is called silent: five seconds
_LOSS = 0.01  # what is worth a word


class CallQuality(NamedTuple):
    """The fields of a call about its media."""

    caller_mos: float | None
    callee_mos: float | None
    notes: str | None


def call_quality(
    caller: Sequence[FlowSummary], callee: Sequence[FlowSummary], *, answered: bool
) -> CallQuality:
    """Return the quality of a call by the flows that its parties sent; answered: whether there should be any."""
    of_caller, of_callee = _voice(caller), _voice(callee)
    notes = []
    if answered and of_caller is None and of_callee is None:
        notes.append("no_audio")
    elif answered and (of_caller is None or of_callee is None):
        notes.append("only_caller_heard" if of_callee is None else "only_callee_heard")
    notes += (*_notes("caller", of_caller), *_notes("callee", of_callee))
    return CallQuality(
        None if of_caller is None else of_caller.mos,
        None if of_callee is None else of_callee.mos,
        ",".join(notes) or None,
    )


def may_say_something(
    clock_rate_hz: int, lost: int, expected: int, quiet_share: float | None, far_lost_share: float | None
) -> bool:
    """Tell whether `call_quality` may say more of a party that sends one flow than its MOS."""
    return (
        clock_rate_hz == _VIDEO_HZ
        or lost > expected * _LOSS / 2
        or (quiet_share is not None and quiet_share >= _QUIET)
        or (far_lost_share is not None and far_lost_share >= _LOSS / 2)
    )


def _voice(flows: Sequence[FlowSummary]) -> FlowSummary | None:
    """Return the longest flow that is no video."""
    voices = [flow for flow in flows if flow.clock_rate_hz != _VIDEO_HZ]
    if len(voices) < 2:
        return voices[0] if voices else None
    return max(voices, key=lambda flow: (flow.packets + flow.long_packets, flow.flow))


def _notes(who: str, voice: FlowSummary | None) -> list[str]:
    if voice is None:
        return []
    notes = []
    if voice.quiet_share is not None and voice.quiet_share >= _QUIET and voice.expected >= _LEAST_PACKETS:
        notes.append(f"{who}_silent")
    in_doubt = (voice.quality_notes or "").startswith("capture_")
    seen = voice.lost / voice.expected if voice.expected else 0.0
    if seen >= _LOSS and not in_doubt:
        notes.append(f"{who}_loss_before_capture")
    if voice.far_lost_share is not None and voice.far_lost_share - seen >= _LOSS:
        notes.append(f"{who}_loss_after_capture")
    return notes
