"""What a call costs: SIP text to judged rows, on one core.

    python benchmarks/bench_calls.py [--calls 5000]

Every call has seven messages (INVITE with SDP, 100, 180, 200 with SDP, ACK, BYE, 200) from 900 callers. Time is
processor time of this process; each figure is the best of three rounds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sip_scenario import Talk, at, sdp  # the path has to be set first

from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import parse_message
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.own_detector import OwnDetector

HEADERS = (
    "User-Agent: phone/1\r\nContact: <sip:a@10.0.0.1:5060>\r\nMax-Forwards: 70\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE\r\nSupported: replaces, timer\r\n"
)
ROUNDS = 3
BATCH = 256  # messages whose events are judged together, as those of a batch of packets are
MESSAGES_OF_A_CALL = 7


def messages(calls: int) -> list[RawMessage]:
    """Return the messages of all calls in the order of time: a hundred calls a second begin."""
    script = []
    for i in range(calls):
        talk = Talk(f"c{i}@x", f"sip:+4930{i % 900:06d}@a", f"sip:+4931{i:06d}@b", f"t{i}")
        begin = i * 0.01
        offer, answer = sdp("10.0.0.1", 4000 + 2 * (i % 2000)), sdp("10.0.0.2", 4000 + 2 * (i % 2000))
        script += [
            (begin, talk.request("INVITE", sdp=offer, headers=HEADERS)),
            (begin + 0.01, talk.response(100, to_tag="")),
            (begin + 0.5, talk.response(180)),
            (begin + 2, talk.response(200, sdp=answer)),
            (begin + 2.1, talk.request("ACK", to_tag="tag-b")),
            (begin + 30, talk.request("BYE", cseq=2, to_tag="tag-b")),
            (begin + 30.1, talk.response(200, "BYE", cseq=2)),
        ]
    return [RawMessage(at(seconds), "10.0.0.1", text) for seconds, text in sorted(script, key=lambda s: s[0])]


def assemble(script: list[RawMessage], detector: SpamDetector | None) -> None:
    """Run all messages through a new engine."""
    engine = CallPipeline(detector=detector)
    rows = 0
    for begin in range(0, len(script), BATCH):
        events = [
            event for message in script[begin : begin + BATCH] for event in engine.assembler.message(message)
        ]
        rows += len(engine.judge.judge_all(events))
    rows += sum(map(len, engine.finish_in_parts()))
    if rows != 2 * len(script) // MESSAGES_OF_A_CALL:
        raise SystemExit(f"{rows} rows from {len(script)} messages: something is wrong")


def best(work: Callable[[], None]) -> float:
    """Return the shortest processor time of the rounds, seconds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args().calls
    script = messages(calls)
    assemble(messages(10), OwnDetector())  # compiled code is loaded before the clock starts

    def parse() -> None:
        for message in script:
            parse_message(message.payload)

    print(f"{calls:,} calls of {MESSAGES_OF_A_CALL} messages, best of {ROUNDS}")
    print(f"parse alone              {1e6 * best(parse) / len(script):7.1f} µs a message")
    for name, make in (("assembled", lambda: None), ("assembled and judged", OwnDetector)):
        seconds = best(lambda make=make: assemble(script, make()))
        print(f"{name:24} {1e6 * seconds / calls:7.1f} µs a call, {calls / seconds:,.0f} calls/s on one core")


if __name__ == "__main__":
    main()
