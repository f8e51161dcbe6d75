"""What media says about an answer that SIP did not show.

Media both ways is a talk: what the caller sends needs an address that the callee announced. The callee can announce it
before the answer, too (183 with SDP: early media, RFC 3960). So media alone proves an answer only

- where no SDP of the callee was seen before the answer, or
- where it goes on after the last provisional response for longer than a proxy lets a call ring (Timer C,
  RFC 3261 16.6).

A refusal or CANCEL is stronger than either: whoever asks looks for them first. The answer then came with the later of
the first packets of the two directions, but not before the last provisional response.
"""

from callprint.core.calls.party import Party

TIMER_C_NS = 180_000_000_000


def media_proof_ns(caller: Party, callee: Party, progress_ns: int | None, early_media: bool) -> int | None:
    """Return when media both ways shows a call to be answered, by its joined flows; None when it does not.

    progress_ns: the last provisional response. early_media: the callee announced media before an answer.
    """
    if not caller.flows or not callee.flows:
        return None
    parties = (caller.flows, callee.flows)
    from_ns = max(min(report.verdict.flow.first_seen_ns for report in flows) for flows in parties)
    until_ns = min(max(report.summary.last_seen_ns for report in flows) for flows in parties)
    answered_ns = from_ns if progress_ns is None else max(from_ns, progress_ns)
    if until_ns <= answered_ns or (early_media and until_ns <= answered_ns + TIMER_C_NS):
        return None
    return answered_ns
