"""Short messages of one call attempt with several INVITEs, and the row that it leaves.

`Talk.request` and `Talk.response` write one Via; `below` puts the Via of the hop before under it, as proxies do.
"""

from collections.abc import Sequence

from call_player import CallPlayer
from sip_scenario import Talk, at, sdp

from callprint.core.call import CallRecord, Phase
from callprint.core.signalling.reader import RawMessage
from callprint.core.verdict import FlowReport

CALL = Talk()
OFFER = sdp("10.0.0.1", 4000)
ANSWER = sdp("10.0.0.2", 5000)
CALLER, CALLEE = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
BYE = CALL.request("BYE", cseq=9, to_tag="tag-b", branch="bye")
ACK = CALL.request("ACK", to_tag="tag-b", branch="ack")


def below(branch: str, above: str) -> str:
    return f"{branch}, SIP/2.0/UDP 10.0.0.9;branch={above}"


def invite(branch: str = "a", cseq: int = 1, to: str = "", dialled: str = "", to_tag: str = "") -> bytes:
    talk = Talk(callee=f"sip:{to}@b.example") if to else CALL
    message = talk.request("INVITE", cseq=cseq, branch=branch, sdp=OFFER, to_tag=to_tag)
    return message.replace(b"sip:x@y", f"sip:{dialled}@gw.example".encode()) if dialled else message


def reply(status: int, branch: str = "a", cseq: int = 1, tag: str = "tag-b", body: str = "") -> bytes:
    return CALL.response(status, branch=branch, cseq=cseq, to_tag=tag, sdp=body)


def cancel(branch: str = "a", cseq: int = 1) -> bytes:
    return CALL.request("CANCEL", branch=branch, cseq=cseq)


def end_of(
    script: list[tuple[float, bytes]], flows: Sequence[FlowReport] = (), until_s: float = 0.0
) -> CallRecord:
    """Return the end row of the one call of a script; packet time goes on to `until_s` before the capture ends."""
    engine = CallPlayer()
    rows = [
        row for when, message in script for row in engine.message(RawMessage(at(when), "10.0.0.1", message))
    ]
    rows += engine.add_flows(flows) + (engine.advance(at(until_s)) if until_s else []) + engine.finish()
    _, end = rows
    assert end.phase is Phase.END
    return end


def outcome(end: CallRecord) -> tuple:
    return end.state, end.final_status, end.ended_by, end.answered_ns, end.ended_ns
