"""Hold what became of calls against a plain reading of tshark's fields, call by call.

    PYTHONPATH=src:tests python tests/call_oracle.py --data ../shared/data --write docs/results/call-states.md

tshark reads the messages. What they mean is told here in the words of RFC 3261, looking at all messages of a Call-ID at
once, without time-outs, media or anything of callprint: so it says what a person would say who reads the whole capture.
Every difference must have a reason from EXPLANATIONS.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, XMLPullParser

from callprint.core.call import CallRecord, Phase
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import CallStep
from callprint.core.dissect import dissect
from callprint.sources import open_captures

CallKey = tuple[str, str]  # Call-ID, the caller's tag

PORTS = (5060, 5066, 5090)
"""TCP ports of SIP in these captures."""

_BROKEN = (
    "tshark shows a message that RFC 3261 does not allow; callprint refuses it and counts it by its defect: "
)
_NOT_READ = "tshark 4.0 does not read the message: "
EXPLANATIONS = {
    "fuzz-2006-06-26-2594.pcap": _BROKEN + "sip.pcap with random bytes changed",
    "sip_header_multi_val.pcap": _BROKEN + "two different From or To headers",
    "invalid-content-length.pcap": _BROKEN + "Content-Length above what the datagram holds",
    "08-long-call.pcap": "only signalling is compared, and it is silent for longer than the time-out; media goes on",
    "30-clock-back.pcap": "the clock of the capture is set back by 30 s: nobody knows how long the call was",
    "06-reordered-file.pcap": "the answer stands before the INVITE, and packets are not put in order here",
    "18-tcp-reordered.pcap": _NOT_READ + "its segments are out of order",
    "freeswitch-009.pcap": _NOT_READ + "it takes the datagrams for DTLS",
    "twinkle-002.pcap": _NOT_READ + "it takes the datagrams for DTLS",
    "41-hep3.pcap": _NOT_READ + "it has no dissector for HEP",
}
"""Why the two differ, by the name of the capture."""


@dataclass(frozen=True)
class Message:
    """A SIP message as tshark shows it."""

    frame: int  # its number in what tshark reads, from 1
    time_ns: int
    method: str  # of CSeq
    status: int  # 0: a request
    call_id: str
    cseq: int
    from_tag: str
    to_tag: str
    branches: tuple[str, ...]  # of the Vias, the top one first

    @property
    def transaction(self) -> tuple[int, str]:
        """What ACK of a refusal, CANCEL and responses share with their INVITE (RFC 3261 9.1, 17.1.3, 17.1.1.3)."""
        return self.cseq, self.branches[0] if self.branches else ""


@dataclass(frozen=True)
class Outcome:
    """What became of a call."""

    state: str  # completed, cancelled, failed; expired: its end is not in the capture
    status: int | None
    answered_ns: int | None
    ended_ns: int | None  # None for expired


@dataclass(frozen=True)
class Difference:
    """One call that the two see differently."""

    file: str
    call: CallKey
    ours: Outcome | None
    theirs: Outcome | None

    @property
    def reason(self) -> str | None:
        """Why they differ; None when nothing explains it."""
        return EXPLANATIONS.get(Path(self.file).name)


# -- the oracle


def tshark_messages(capture: Path) -> Iterator[Message]:
    """Yield the SIP messages of a capture, in its order."""
    command = ["tshark", "-n", "-r", str(capture), "-Y", "sip", "-T", "pdml", "-J", "sip"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        parser = XMLPullParser(("end",))
        while chunk := process.stdout.read(1 << 20):
            parser.feed(chunk)
            for _, element in parser.read_events():
                if element.tag == "packet":
                    yield from _messages(element)
                    element.clear()


def _messages(packet: Element) -> Iterator[Message]:
    seconds, _, fraction = packet.find("proto/field[@name='timestamp']").get("value").partition(".")
    number = int(packet.find("proto/field[@name='num']").get("show"))
    time_ns = int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
    for sip in packet.iterfind("proto[@name='sip']"):
        values = defaultdict(list)
        for one in sip.iter("field"):
            values[one.get("name")].append(one.get("show"))
        if not all(values[name] for name in ("sip.Call-ID", "sip.CSeq.seq", "sip.CSeq.method")):
            continue
        yield Message(
            frame=number,
            time_ns=time_ns,
            method=values["sip.CSeq.method"][0].upper(),
            status=int(values["sip.Status-Code"][0]) if values["sip.Status-Code"] else 0,
            call_id=values["sip.Call-ID"][0],
            cseq=int(values["sip.CSeq.seq"][0]),
            from_tag=(values["sip.from.tag"] or [""])[0],
            to_tag=(values["sip.to.tag"] or [""])[0],
            branches=tuple(values["sip.Via.branch"]),
        )


def outcomes(messages: list[Message]) -> dict[CallKey, Outcome]:
    """Return what became of every call whose first INVITE is there."""
    of_call = defaultdict(list)
    for message in sorted(messages, key=lambda one: one.time_ns):
        of_call[message.call_id].append(message)
    found = {}
    for call_id, said in of_call.items():
        for tag in dict.fromkeys(
            m.from_tag for m in said if m.method == "INVITE" and not (m.status or m.to_tag)
        ):
            first = next(i for i, m in enumerate(said) if m.method == "INVITE" and m.from_tag == tag)
            found[call_id, tag] = _outcome([m for m in said[first:] if tag in (m.from_tag, m.to_tag)], tag)
    return found


def _outcome(said: list[Message], caller: str) -> Outcome:
    by_caller = [m for m in said if m.from_tag == caller]  # requests of the caller, and responses to them
    asked = [m for m in by_caller if m.method == "INVITE" and not m.status and not m.to_tag]
    answers = [m for m in by_caller if m.method == "INVITE" and 200 <= m.status < 300]
    byes = [m for m in said if m.method == "BYE" and not m.status]
    answered_ns = answers[0].time_ns if answers else _unseen_answer_ns(said, caller, asked, byes)
    if answered_ns is not None:
        # Over with the BYE of every dialog that a 2xx confirmed (RFC 3261 13.2.2.4, 15).
        dialogs = {m.to_tag for m in answers}
        for bye in byes:
            dialogs.discard(bye.to_tag if bye.from_tag == caller else bye.from_tag)
            if not dialogs:
                return Outcome("completed", answers[0].status if answers else None, answered_ns, bye.time_ns)
        return Outcome("expired", answers[0].status if answers else None, answered_ns, None)
    return _unanswered(by_caller, asked)


def _unseen_answer_ns(
    said: list[Message], caller: str, asked: list[Message], byes: list[Message]
) -> int | None:
    """Return when ACK or BYE shows an answer: ACK of a 2xx is no part of an INVITE's transaction (13.2.2.4)."""
    invites = {m.transaction for m in asked}
    refusals = {m.to_tag for m in said if m.method == "INVITE" and m.status >= 300}
    for m in said:
        ack = m.method == "ACK" and m.from_tag == caller and m.to_tag and m.to_tag not in refusals
        if ack and m.transaction not in invites:
            return m.time_ns
    if byes and (byes[0].from_tag != caller or not refusals):
        return byes[0].time_ns
    return None


def _unanswered(by_caller: list[Message], asked: list[Message]) -> Outcome:
    last = max(m.cseq for m in asked)
    refused = [m for m in by_caller if m.method == "INVITE" and m.status >= 300 and m.cseq == last]
    first_of = {m.transaction: m for m in reversed(refused)}  # retransmissions say nothing new
    cancels = {m.transaction: m.time_ns for m in reversed(by_caller) if m.method == "CANCEL" and not m.status}
    pending = {m.transaction for m in asked if m.cseq == last} - set(first_of)
    if pending:
        given_up = [cancels.get(transaction) for transaction in pending]
        times_ns = [time_ns for time_ns in given_up if time_ns is not None]
        if len(times_ns) < len(given_up):
            return Outcome("expired", None, None, None)
        return Outcome("cancelled", None, None, max(times_ns))
    final = max(first_of.values(), key=lambda m: (m.status >= 600, m.time_ns))
    if final.status == 487:
        return Outcome("cancelled", 487, None, cancels.get(final.transaction, final.time_ns))
    return Outcome("failed", final.status, None, final.time_ns)


# -- callprint


def rows_of(capture: Path) -> dict[CallKey, Outcome]:
    """Return what callprint makes of the signalling of a capture, without its media."""
    assembler = CallAssembler()
    events = []
    for batch in open_captures([capture]):
        packets = dissect(batch.data, batch.records, signalling_ports=PORTS)
        events += assembler.process(batch.data, packets, batch.records)
    events += assembler.finish()
    records = [event.record for event in events if event.step is not CallStep.CLOSED]
    return {(row.call_id, row.from_tag): _of_row(row) for row in records if row.phase is Phase.END}


def _of_row(row: CallRecord) -> Outcome:
    ended_ns = None if row.state == "expired" else row.ended_ns
    return Outcome(str(row.state), row.final_status, row.answered_ns, ended_ns)


# -- the comparison


def captures(data: Path) -> dict[str, list[Path]]:
    """Return the captures to compare by their folder; of the public ones those with SIP by their index."""
    with (data / "public" / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["sip_udp"] or 0) + int(row["sip_tcp"] or 0)]
    return {
        "public": [data / "public" / row["file"] for row in rows],
        "calls": sorted((data / "calls").rglob("*.pcap")),
        "world": sorted((data / "world").glob("*.pcap")),
    }


def compare(files: list[Path], data: Path) -> tuple[Counter[str], list[Difference]]:
    """Return how many calls ended in which state by the oracle, and every difference."""
    states: Counter[str] = Counter()
    found = []
    for file, messages in _messages_of(files):
        theirs, ours = outcomes(messages), rows_of(file)
        states.update(outcome.state for outcome in theirs.values())
        found += [
            Difference(str(file.relative_to(data)), call, ours.get(call), theirs.get(call))
            for call in dict.fromkeys([*theirs, *ours])
            if ours.get(call) != theirs.get(call)
        ]
    return states, found


def _messages_of(files: list[Path]) -> Iterator[tuple[Path, list[Message]]]:
    """Yield the messages of each capture. tshark takes long to start, so it reads many at once: packets are counted."""
    for at in range(0, len(files), 100):
        some = files[at : at + 100]
        with tempfile.TemporaryDirectory() as folder:
            merged = Path(folder) / "merged.pcapng"
            subprocess.run(
                ["mergecap", "-a", "-F", "pcapng", "-w", merged, *some], check=True, capture_output=True
            )
            messages = list(tshark_messages(merged))
        end = 0
        for file in some:
            begin, end = end, end + sum(len(batch.records) for batch in open_captures([file]))
            yield file, [message for message in messages if begin < message.frame <= end]


def page(data: Path) -> str:
    """Return the page of results."""
    rows, listed = [], []
    for folder, files in captures(data).items():
        states, found = compare(files, data)
        calls = [states[name] for name in ("completed", "cancelled", "failed", "expired")]
        rows.append(
            [folder, len(files), sum(calls), *calls, len(found), sum(one.reason is None for one in found)]
        )
        listed += [
            (one.file, _told(one.ours), _told(one.theirs), one.reason or "**not explained**") for one in found
        ]
    table = [
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) + " |"
        for row in rows
    ]
    reasons = ["| " + " | ".join(row) + " |" for row in dict.fromkeys(listed)]
    return _PAGE.format(table="\n".join(table), reasons="\n".join(reasons))


def _told(outcome: Outcome | None) -> str:
    if outcome is None:
        return "no call"
    return outcome.state if outcome.status is None else f"{outcome.state}, {outcome.status}"


_PAGE = """\
# What became of calls, against tshark

The signalling of every capture in `../shared/data` that has any, read by callprint and by a second reader: tshark's
fields, and a plain reading of RFC 3261 over all messages of a Call-ID at once (`tests/call_oracle.py`). The two share
no code. Compared of each call: whether there is one, its state, its final status, and when it was answered and ended,
to the nanosecond.

| captures | files | calls | completed | cancelled | failed | expired | differ | not explained |
|---|---|---|---|---|---|---|---|---|
{table}

"Expired" means here that the capture shows no end. The numbers are the oracle's.

Every difference, with its reason; calls of one capture that differ in the same way are one line:

| capture | callprint | tshark | why |
|---|---|---|---|
{reasons}

Written by

```sh
PYTHONPATH=src:tests .venv/bin/python tests/call_oracle.py --data ../shared/data --write docs/results/call-states.md
```

A sample of it runs with the unit tests (`tests/calls/test_call_oracle.py`).
"""


def main() -> None:
    """Compare everything; write or print the page. Exit code 1 when a difference has no reason."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--write", type=Path, help="the page to write instead of printing it")
    args = parser.parse_args()
    text = page(args.data)
    if args.write is None:
        print(text)
    else:
        args.write.write_text(text)
    sys.exit("not explained**" in text)


if __name__ == "__main__":
    main()
