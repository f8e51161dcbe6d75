"""One call attempt, and what each SIP message makes of it.

Sections are those of RFC 3261 unless another RFC is named. "Alive": on a branch (branches.py) that is neither refused
nor cancelled. "Waits": for `retry_timeout_s`, 64 * T1, for a message that lets the attempt go on.

    in             message                                       to           section
    -------------  --------------------------------------------  -----------  ---------------------------------------
    CALLING        101-199                                       RINGING      13.2.2.1
    unanswered     INVITE without To tag, on another branch      as before    16.7 (fork), 22.2 (challenge), 8.1.3.4
                   or with a higher CSeq                                      (3xx), 21.5.4, RFC 3263 4.3 (failover),
                                                                              RFC 3578 (overlap dialling)
    unanswered     INVITE again on the same branch               as before    17.1.1.2 (retransmission)
    waits (401)    INVITE of the pair with another From tag      unanswered   22.2 wants the same tag; some change it
    unanswered     CANCEL of the last branch alive               waits        9.1 (one hop, one branch)
    unanswered     3xx-6xx on the last branch alive              waits        13.2.2.2, 13.2.2.3, 16.7
    unanswered     BYE of the caller                             waits        15 (early dialog), 15.1.2 (487 follows)
    unanswered,    2xx                                           ANSWERED     13.2.2.4, 9.1 (2xx crosses CANCEL)
    or waits
    unanswered,    ACK that belongs to no INVITE seen            ANSWERED     13.2.2.4 (its branch is its own; that of
    or waits                                                                  a refusal has the INVITE's: 17.1.1.3)
    unanswered,    INVITE with the To tag of a dialog            ANSWERED     14 (not before the first one is over)
    or waits
    unanswered     BYE of the callee                             COMPLETED    15 (not on an early dialog)
    ANSWERED       BYE of the last confirmed dialog, or its 2xx  COMPLETED    15
    waits          1xx, or a new INVITE                          unanswered   16.7
    waits          nothing: 487, or CANCEL by the caller         CANCELLED    9.1, 15.1.2, 16.10
    waits          nothing: 3xx-6xx                              FAILED       8.1.3
    waits          nothing: BYE of the caller                    COMPLETED    15.1.2 (no 487: a lost 2xx had come)
    FAILED,        a new INVITE while its row has not left       unanswered   22.2 (a person may type a password)
    CANCELLED
    any            silence                                       EXPIRED      16.6 (Timer C); media: answer_proof.py

An attempt that waits has been decided already: whatever ends the waiting (a time-out, eviction, the end of the
capture), it ends as the table says, at the time of the message that decided. A 6xx stands whatever other branches
say later (16.7). 487 cancels the call unless a proxy ended a branch while the caller, whose own branch was seen, did
not: then the network gave up, and the call has failed.
"""

from dataclasses import dataclass, field, replace

from callprint.core.call import ENDED_STATES, CallState, EndedBy
from callprint.core.calls.answer_proof import media_proof_ns
from callprint.core.calls.branches import Branches, BranchKey, branch_key, hops_above
from callprint.core.calls.party import Party, Side, keep
from callprint.core.calls.settings import CallSettings
from callprint.core.signalling.sdp import SessionDescription
from callprint.core.signalling.sip import SipMessage

_OF_THE_PARTIES = frozenset({403, 404, 410, 480, 486, 487, 488, 600, 603, 604, 606, 607, 608})
"""Refusals that are seldom followed by another try, and that histories of callers must not wait for: a robot makes
many calls in half a minute."""

_MAY_GO_ON = (CallState.FAILED, CallState.CANCELLED)


@dataclass(slots=True)
class Attempt:
    """One call in progress, or ended and waiting for its media.

    Its row is a `call.CallRecord` (call_rows.py), its numbers a CALL row (facts.py). Times of a call never run
    backwards: what is read late counts as read now.
    """

    call_id: str
    from_tag: str
    caller: Party
    callee: Party
    started_ns: int
    last_ns: int
    invite_cseq: int  # the highest of an INVITE that asks for this call
    attestation: str
    campaign: str
    signalling_ip: str
    state: CallState = CallState.CALLING
    ringing_ns: int | None = None
    answered_ns: int | None = None
    ended_ns: int | None = None
    ended_by: EndedBy | None = None
    final_status: int | None = None  # of the refusal that counts so far; of the 2xx once there is one
    status_ns: int | None = None  # when `final_status` came
    refused_ns: int | None = None  # since when no branch is alive after a refusal
    cancel_ns: int | None = None  # when the caller gave up, once 487 has said so
    bye_ns: int | None = None  # BYE of a caller whose call does not seem to be answered
    progress_ns: int | None = None  # last 1xx
    inferred: bool = False  # no 2xx was seen: something else proves the answer
    answered_before: bool = False  # and only says that it came before `answered_ns`
    early_media: bool = False  # the callee announced media before the answer
    reported: bool = False  # histories were told of the refusal after which it waits
    closed_ns: int = 0  # packet time at which its end became known
    capture: str | None = None  # where its first INVITE was read
    claimed_caller: str | None = None  # who From says is calling, where the network asserts another
    diverted_by: str | None = None  # who forwarded the call last before it was seen
    relayed_by: str | None = None  # between this call and another one with the same media
    addressed: str = ""  # user of To in the last INVITE that asks for this call
    dialled: str = ""  # user of its Request-URI
    branches: Branches = field(default_factory=Branches)
    alive_ns: int = 0  # its media went on until then, at least: joined flows, and those that go on
    dialogs: dict[str, None] = field(default_factory=dict)  # To tags with a 2xx and no BYE yet
    past_tags: dict[str, None] = field(default_factory=dict)  # To tags of a refusal or of a BYE
    later_tags: dict[str, None] = field(default_factory=dict)  # From tags that answered a challenge

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is known by, as events have it."""
        return self.call_id, self.from_tag, self.started_ns

    @property
    def ended(self) -> bool:
        """True once no message can change the call any more."""
        return self.state in ENDED_STATES

    def party(self, side: Side) -> Party:
        """Return one of the two parties."""
        return self.caller if side is Side.CALLER else self.callee

    # -- time

    def deadline_ns(self, settings: CallSettings) -> int:
        """Return when the call must be looked at again unless a message comes before."""
        if self.ended:
            return self.closed_ns + settings.call_waits_ns
        if (waits_since_ns := self._waits_since_ns()) is not None:
            return waits_since_ns + settings.retry_timeout_ns
        wait_ns = settings.setup_timeout_ns if self.answered_ns is None else settings.answered_timeout_ns
        return max(self.last_ns, self.alive_ns) + wait_ns

    def time_out(self, now_ns: int) -> None:
        """End a call whose deadline has passed."""
        self.give_up(EndedBy.TIMEOUT, now_ns)

    def give_up(self, why: EndedBy, now_ns: int) -> None:
        """End a call about which nothing more will be known, as what was decided or at its last sign of life."""
        if self._waits_since_ns() is not None:
            self._decide(now_ns)
            return
        if self.answered_ns is None:
            proof_ns = media_proof_ns(self.caller, self.callee, self.progress_ns, self.early_media)
            if proof_ns is not None:
                self._answered(max(proof_ns, self.started_ns), None)
                self.inferred = True
            elif why is EndedBy.TIMEOUT and self.final_status is not None:  # on some of its branches
                self._end(CallState.FAILED, EndedBy.CALLEE, self.last_ns, now_ns)
                return
        flows = self.caller.flows + self.callee.flows
        last_ns = max([self.last_ns, *(flow.summary.last_seen_ns for flow in flows)])
        self._end(CallState.EXPIRED, why, last_ns, now_ns)

    def to_report(self) -> "Attempt | None":
        """Return the attempt as histories learn of it now, once: as it ended, or as it ends if the refusal stands."""
        if self.reported:
            return None
        if self.ended:
            return self
        if self.refused_ns is None or self.final_status not in _OF_THE_PARTIES:
            return None
        decided = replace(self)  # its parties and branches are the same objects
        decided._decide(self.last_ns)
        self.reported = True
        return decided

    def weigh_media(self) -> None:
        """Let the media of an ended call say when it was answered, where SIP only says before when."""
        if self.answered_before and self.answered_ns is not None:
            proof_ns = media_proof_ns(self.caller, self.callee, self.progress_ns, early_media=False)
            if proof_ns is not None:
                self.answered_ns = max(self.started_ns, min(self.answered_ns, proof_ns))

    def _waits_since_ns(self) -> int | None:
        """Return since when the attempt waits for a message that lets it go on; None when it does not."""
        if self.answered_ns is not None:
            return None
        if self.refused_ns is not None:
            return self.refused_ns
        if self.bye_ns is not None:
            return self.bye_ns
        return self.branches.given_up_ns()

    def _decide(self, now_ns: int) -> None:
        """End an attempt that waits, as the message says that it waits after."""
        given_up_ns = self.cancel_ns if self.refused_ns is not None else self.branches.given_up_ns()
        if self.bye_ns is not None and self.refused_ns is None:
            self._infer(self.bye_ns, None)
            self._end(CallState.COMPLETED, EndedBy.CALLER, self.bye_ns, now_ns)
        elif self.bye_ns is not None and self.cancel_ns is not None:
            self._end(CallState.CANCELLED, EndedBy.CALLER, min(self.bye_ns, self.cancel_ns), now_ns)
        elif given_up_ns is not None and (self.final_status or 0) < 600:
            if self.refused_ns is None:
                self.final_status = None  # another branch was refused, the last one only cancelled
            self._end(CallState.CANCELLED, EndedBy.CALLER, given_up_ns, now_ns)
        else:
            ended_ns = self.status_ns if self.status_ns is not None else self.last_ns
            self._end(CallState.FAILED, EndedBy.CALLEE, ended_ns, now_ns)

    def _end(self, state: CallState, by: EndedBy, ended_ns: int, now_ns: int) -> None:
        self.state = state
        self.ended_by = by
        self.ended_ns = ended_ns
        self.closed_ns = self.refused_ns if self.reported and self.refused_ns is not None else now_ns
        if self.ringing_ns is not None and self.ringing_ns > ended_ns:
            self.ringing_ns = None  # 180 crossed CANCEL
        if state is CallState.EXPIRED and self.answered_ns is None:
            self.final_status = None  # some branch was refused, but not the call

    # -- messages

    def on_request(self, message: SipMessage, sender: Side, time_ns: int) -> None:
        """Take a request that belongs to this call."""
        self.last_ns = max(self.last_ns, time_ns)
        self.party(sender).note_agent(message)
        if self.ended:
            return
        if message.method == "INVITE":
            self._on_invite(message, branch_key(message), sender)
        elif message.method == "BYE":
            self._on_bye(message, sender)
        elif self.answered_ns is None and sender is Side.CALLER:
            if message.method == "CANCEL":
                self.branches.cancel(branch_key(message), self.last_ns)
            elif message.method == "ACK" and not self.branches.knows(branch_key(message)):
                self._in_dialog(message.to.tag, exact=True)

    def on_response(self, message: SipMessage, sender: Side, time_ns: int) -> None:
        """Take a response that belongs to this call."""
        self.last_ns = max(self.last_ns, time_ns)
        if message.method == "INVITE" and sender is Side.CALLEE and not self.ended:
            key = branch_key(message)
            if message.status < 200:
                self._on_progress(message, key)
            elif message.status < 300:
                self._on_answer(message, key)
            elif self.answered_ns is None or self.inferred:
                self._on_refusal(message, key)
        elif message.method == "BYE" and 200 <= message.status < 300 and not self.ended:
            self._on_bye(message, sender.other)
        self.party(sender).note_agent(message)

    def on_media(self, session: SessionDescription, sender: Side) -> int:
        """Note where and what the sender wants to receive; return how many endpoints had to make room."""
        if sender is Side.CALLEE and self.answered_ns is None:
            self.early_media = True
        return self.party(sender).announce(session)

    def asks_anew(self, message: SipMessage, sender: Side) -> bool:
        """True for an INVITE that begins another branch of this attempt: not a re-INVITE, not a retransmission."""
        return (
            message.method == "INVITE"
            and message.is_request
            and sender is Side.CALLER
            and (not message.to.tag or message.to.tag in self.past_tags)  # some keep the tag of a challenge
            and self.answered_ns is None
            and (not self.ended or self.state in _MAY_GO_ON)
            and not self.branches.knows(branch_key(message))
        )

    def is_followed_by(self, message: SipMessage, sender: Side) -> bool:
        """True for an INVITE that begins another call in the name of this one, which was answered and is over.

        RFC 3261 8.1.1.4 forbids it, so whoever does it must not hide a call that way.
        """
        again = message.is_first_invite and sender is Side.CALLER and message.cseq > self.invite_cseq
        return again and self.ended and self.answered_ns is not None

    def go_on(self) -> None:
        """Take back the end of a refused or cancelled attempt, if it has ended: its caller has taken longer."""
        if self.ended:
            self.state = CallState.CALLING
            self.ended_ns = self.ended_by = None
            self.closed_ns = 0

    def _on_invite(self, message: SipMessage, key: BranchKey, sender: Side) -> None:
        if self.asks_anew(message, sender):
            self._begin_branch(message, key)
            self.addressed = message.to.uri.user
            self.dialled = message.request_uri.user if message.request_uri is not None else ""
        elif message.to.tag and not self.branches.knows(key):
            self._in_dialog(message.to.tag if sender is Side.CALLER else message.from_.tag, exact=False)

    def _begin_branch(self, message: SipMessage, key: BranchKey) -> None:
        """Take an INVITE, or the first response to one that was not seen."""
        if self.refused_ns is not None:  # whoever refused is not the one who is reached
            self.callee.user_agent = self.callee.offered = self.callee.claim = None
            self.early_media = False
        self.branches.begin(key, hops_above(message))
        self.invite_cseq = max(self.invite_cseq, message.cseq)
        self.refused_ns = self.cancel_ns = self.bye_ns = self.final_status = self.status_ns = None
        self.reported = False

    def _on_progress(self, message: SipMessage, key: BranchKey) -> None:
        if self.answered_ns is not None or key in self.branches.over:
            return
        if not self.branches.pending or message.cseq > self.invite_cseq:
            self._begin_branch(message, key)
        if self.branches.alive():
            self.refused_ns = None
        self.past_tags.pop(message.to.tag, None)
        self.progress_ns = self.last_ns
        if message.status > 100:
            self.state = CallState.RINGING
        if message.status >= 180:
            if (branch := self.branches.pending.get(key)) is not None and branch.ringing_ns is None:
                branch.ringing_ns = self.last_ns
            if self.ringing_ns is None:
                self.ringing_ns = self.last_ns

    def _on_answer(self, message: SipMessage, key: BranchKey) -> None:
        tag = message.to.tag
        crosses_bye = self.bye_ns is not None and tag in self.past_tags
        if self.answered_ns is None:
            self.callee.note_agent(message, answers=True)
            self._answered(self.bye_ns if crosses_bye and self.bye_ns is not None else self.last_ns, key)
            if not crosses_bye:
                self.past_tags.pop(tag, None)  # some answer with the tag of their challenge
        elif message.cseq > self.invite_cseq:
            return  # to a re-INVITE
        self.inferred = self.answered_before = False
        self.final_status = self.final_status or message.status
        if tag not in self.past_tags:
            keep(self.dialogs, tag)
        if crosses_bye:
            self._end(CallState.COMPLETED, EndedBy.CALLER, self.last_ns, self.last_ns)

    def _on_refusal(self, message: SipMessage, key: BranchKey) -> None:
        tag = message.to.tag
        if key in self.branches.over:
            return  # a retransmission, or what became of an INVITE that was replaced
        if self.inferred:
            if key not in self.branches.pending or tag not in self.dialogs:
                return
            self._unanswered(tag)  # the ACK was that of a refusal on a hop whose INVITE was not seen
        if key not in self.branches.pending and not self._believed(message, key):
            return
        on_seen = key in self.branches.pending
        branch = self.branches.pending[key] if on_seen else self.branches.only()
        given_up_ns = self.cancel_ns if branch is None else self.branches.cancelled_ns(branch)
        self.branches.end(key)
        keep(self.past_tags, tag)
        if self.final_status is None or self.final_status < 600:
            self.final_status, self.status_ns = message.status, self.last_ns
        if on_seen and self.branches.alive():
            return
        self.refused_ns = self.last_ns
        by_proxy = branch is not None and given_up_ns is None and branch.cancelled_below
        if self.final_status != 487 or by_proxy:
            self.cancel_ns = None
        else:
            self.cancel_ns = given_up_ns if given_up_ns is not None else self.last_ns  # CANCEL was not seen

    def _believed(self, message: SipMessage, key: BranchKey) -> bool:
        """True for a refusal of an INVITE that was not seen, if it can mean the whole attempt."""
        if message.cseq > self.invite_cseq:
            self._begin_branch(message, key)
            return True
        if not self.branches.pending:
            return message.to.tag not in self.past_tags  # else the same one, on another hop
        return self.branches.only() is not None and not self.branches.lies_beyond(hops_above(message))

    def _on_bye(self, message: SipMessage, sender: Side) -> None:
        tag = message.to.tag if sender is Side.CALLER else message.from_.tag
        if tag in self.past_tags and (self.refused_ns is not None or not message.is_request):
            return  # there is no dialog, or a BYE of it was seen
        self.dialogs.pop(tag, None)
        keep(self.past_tags, tag)
        if self.dialogs:
            return  # another branch was answered as well
        if self.answered_ns is not None or sender is Side.CALLEE:
            if self.answered_ns is None:
                self._infer(self.last_ns, None)
            by = EndedBy.CALLER if sender is Side.CALLER else EndedBy.CALLEE
            self._end(CallState.COMPLETED, by, self.last_ns, self.last_ns)
        elif self.bye_ns is None:
            self.bye_ns = self.last_ns
            self.refused_ns = self.final_status = self.status_ns = None

    # -- answers

    def _in_dialog(self, tag: str, *, exact: bool) -> None:
        """Take a request that only an answered call can have; `exact`: it follows the answer at once."""
        if self.answered_ns is None and tag and tag not in self.past_tags:
            self._infer(self.last_ns, tag)
            self.answered_before = not exact

    def _infer(self, time_ns: int, tag: str | None) -> None:
        self._answered(time_ns, None)
        self.inferred = self.answered_before = True
        if tag is not None:
            keep(self.dialogs, tag)

    def _answered(self, time_ns: int, key: BranchKey | None) -> None:
        self.answered_ns = time_ns
        self.state = CallState.ANSWERED
        self.final_status = self.status_ns = self.refused_ns = self.cancel_ns = None
        self.reported = False
        if self.branches.pending and (key is None or key in self.branches.pending):
            self.ringing_ns = self.branches.ringing_ns(key)  # of the branch that was reached

    def _unanswered(self, tag: str) -> None:
        self.answered_ns = None
        self.inferred = self.answered_before = False
        self.dialogs.pop(tag, None)
        self.state = CallState.CALLING if self.ringing_ns is None else CallState.RINGING
