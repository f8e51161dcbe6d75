"""A call as a ladder: who said what to whom and when, and the media between them; a list on a narrow terminal."""

from collections.abc import Iterator

from rich.console import Console

from callprint.core.call import CallRecord
from callprint.core.calls.ladder import Ladder, LadderMessage, participants
from callprint.core.ground.addresses import Endpoint
from callprint.core.verdict import FlowKey, FlowReport, Verdict
from callprint.output.columns import Line, Lines, joined, length, plain, print_line
from callprint.output.console import endpoint, printable, quantity
from callprint.output.flow_table import name_or_guess

TIME_WIDTH = 11
LEAST_WIDTH = 24
"""Of the space between two participants: narrower, and the texts on the arrows would be cut to nothing."""
MOST_WIDTH = 56

NOTE = "◇"
"""Before what callprint says about a flow: verdicts, when they are given, and its quality, when it ends."""
SIGNALLING, AGAIN, MEDIA, REFUSED = "cyan", "dim", "green", "red"


def print_ladder(console: Console, ladder: Ladder) -> None:
    """Print a call: what it was, its ladder, and what could not be shown."""
    for line in _heading(ladder.record):
        print_line(console, line)
    console.print()
    names = participants(ladder)
    width = min(MOST_WIDTH, (console.width - TIME_WIDTH - 12) // max(1, len(names) - 1))
    rows = _rows(ladder)
    if len(names) < 2 or width < LEAST_WIDTH:
        for row in rows:
            print_line(console, _as_text(row, ladder.record.started_ns))
    else:
        console.print(Lines(_drawn(names, rows, width, ladder.record.started_ns)))
    if ladder.left_out:
        print_line(console, plain(f"… and {quantity(ladder.left_out, 'more message')}", "dim"))


def _endpoint_text(which: Endpoint) -> str:
    """Return an endpoint as people write it; a host alone where no port is known."""
    host, port = printable(which[0]), which[1]
    return endpoint(host, port) if port else host


_Row = tuple[int, Endpoint, Endpoint, str, str, bool]
"""When, from, to, text, style, whether it is media."""


def _rows(ladder: Ladder) -> list[_Row]:
    rows = [_message_row(message) for message in ladder.messages]
    rows += [_media_row(report) for report in ladder.flows]
    rows += [_verdict_row(verdict) for verdict in ladder.verdicts if verdict.best_application]
    rows += [_quality_row(report) for report in ladder.flows if report.summary.mos is not None]
    return sorted(rows, key=lambda row: row[0])


def _message_row(message: LadderMessage) -> _Row:
    text = message.text + (f" ({', '.join(map(printable, message.codecs))})" if message.codecs else "")
    refused = message.text[0] in "456"
    style = AGAIN if message.again else REFUSED if refused else SIGNALLING
    return (
        message.time_ns,
        message.source,
        message.target,
        text + (" ⟳" if message.again else ""),
        style,
        False,
    )


def _media_row(report: FlowReport) -> _Row:
    verdict, summary = report.verdict, report.summary
    seconds = (summary.last_seen_ns - verdict.flow.first_seen_ns) / 1e9
    codec = printable(summary.announced_codec or summary.codec)
    packets = quantity(summary.packets + summary.long_packets, "packet")
    lost = f", {summary.lost} lost" if summary.lost else ""
    text = f"{name_or_guess(verdict)} · {codec} · {packets}{lost} in {seconds:.1f} s"
    source = verdict.flow.src_ip, verdict.flow.src_port
    return verdict.flow.first_seen_ns, source, (verdict.flow.dst_ip, verdict.flow.dst_port), text, MEDIA, True


def _verdict_row(verdict: Verdict) -> _Row:
    stage = "final" if verdict.final else "provisional"
    seen = quantity(verdict.k, "packet")
    text = f"{name_or_guess(verdict)}, {verdict.confidence:.1%}, {stage} after {seen}"
    if verdict.declared_application:
        by = printable(verdict.declared_by or "")
        text += f"; declared {printable(verdict.declared_application)} ({by})"
    return _note(verdict.decided_at_ns, verdict.flow, text)


def _quality_row(report: FlowReport) -> _Row:
    summary = report.summary
    notes = f" ({printable(summary.quality_notes)})" if summary.quality_notes else ""
    text = f"MOS {summary.mos:.2f}, {printable(summary.mos_band or '')}{notes}"
    return _note(summary.last_seen_ns, report.verdict.flow, text)


def _note(time_ns: int, flow: FlowKey, text: str) -> _Row:
    """Return a row about a flow; it stands beside its sender."""
    sender = flow.src_ip, flow.src_port
    return time_ns, sender, sender, f"{NOTE} {text}", AGAIN, True


def _heading(record: CallRecord) -> Iterator[Line]:
    who = " → ".join(printable(party or "not known") for party in (record.caller, record.callee))
    state = str(record.state)
    if record.answered_ns is not None and record.ended_ns is not None:
        state += f" after {(record.ended_ns - record.answered_ns) / 1e9:.1f} s of talk"
    if record.final_status is not None and record.answered_ns is None:
        state += f" ({record.final_status})"
    yield plain(who, "bold")
    yield plain(f"Call-ID {printable(record.call_id)}", "dim")
    score = (
        "not judged" if record.spam_score is None else f"spam score {record.spam_score:.2f}, {record.action}"
    )
    yield plain(f"{state}; {score}: {printable(record.reason)}")


def _as_text(row: _Row, begin_ns: int) -> Line:
    time_ns, source, target, text, style, _ = row
    is_note = text.startswith(NOTE)
    way = _endpoint_text(source) + ("  " if is_note else f" → {_endpoint_text(target)}  ")
    return joined(plain(_time(time_ns, begin_ns), "dim"), plain(way), plain(text, style))


def _drawn(names: list[Endpoint], rows: list[_Row], width: int, begin_ns: int) -> Iterator[Line]:
    columns = {name: i for i, name in enumerate(names)}
    hosts = {host: i for i, (host, _) in reversed(list(enumerate(names)))}
    yield plain(_names_line(names, width), "bold")
    bars = [TIME_WIDTH + i * width for i in range(len(names))]
    for time_ns, source, target, text, style, is_media in rows:
        begin, end = (columns.get(each, hosts.get(each[0], 0)) for each in (source, target))
        if is_media:
            begin, end = hosts[source[0]], hosts[target[0]]
        left, right = sorted((bars[begin], bars[end]))
        cells = [" "] * (bars[-1] + 1)
        for bar in bars:
            cells[bar] = "│"
        before = _time(time_ns, begin_ns) + "".join(cells[TIME_WIDTH : left + 1])
        after = "".join(cells[right:])
        if begin == end:  # from a host to itself: its other port, or an unknown one
            if text.startswith(NOTE) and begin == len(bars) - 1:  # on its left, where there is room
                room = width - 2
                shown = text if length(text) <= room else text[: room - 1] + "…"
                before = _time(time_ns, begin_ns) + "".join(cells[TIME_WIDTH : bars[begin - 1] + 1])
                yield joined(
                    plain(before, "dim"),
                    plain(" " * (room - length(shown) + 1) + shown, style),
                    plain("│", "dim"),
                )
                continue
            shown = text if text.startswith(NOTE) else f"↺ {text}"
            yield joined(plain(before, "dim"), plain(f" {shown}", style))
            continue
        room = right - left - 1
        shown = text if length(text) <= room - 4 else text[: max(0, room - 5)] + "…"
        stroke = "═" if is_media else "─"
        middle = f" {shown} ".center(room - 1, stroke)
        middle = middle + "▶" if begin < end else "◀" + middle
        yield joined(plain(before, "dim"), plain(middle, style), plain(after, "dim"))


def _names_line(names: list[Endpoint], width: int) -> str:
    line = " " * TIME_WIDTH
    for i, name in enumerate(names):
        text = _endpoint_text(name)
        at = max(0, TIME_WIDTH + i * width - len(text) // 2)
        line = line[: max(at, len(line.rstrip()) + 1 if i else 0)].ljust(at) + text
    return line


def _time(time_ns: int, begin_ns: int) -> str:
    return f"{(time_ns - begin_ns) / 1e9:9.3f} ".ljust(TIME_WIDTH)
