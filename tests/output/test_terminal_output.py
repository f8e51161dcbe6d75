"""What people see: nothing cut off, nothing wider than the terminal, nothing from outside that steers it."""

import io
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text
from verdict_samples import JAMI_IPV6, LINPHONE, PJSUA, provisional, reports, summary, unsure, verdict

from callprint.core.calls.ended_flow import ended_flows
from callprint.core.packets import OUTCOMES, Outcome
from callprint.core.verdict import BASED_ON_HEADERS, REASON_TOO_SHORT, UNKNOWN, FlowReport
from callprint.output.console import endpoint, make_console, printable
from callprint.output.flow_table import HEADERS, HEADERS_NOTE, NEEDS_WHOLE, SureAt, flow_table, why_unknown
from callprint.output.outcomes import EXPLANATIONS
from callprint.output.progress import CaptureProgress
from callprint.output.report import FlowTally, counter_table, print_report
from callprint.stores import StoredVerdict

GOLDEN = Path(__file__).parent / "golden"


def counters(**numbers: int) -> list[int]:
    return [numbers.get(outcome.name, 0) for outcome in Outcome]


def console(width: int, **options) -> Console:
    fixed = {"markup": False, "emoji": False, "highlight": False}
    return Console(file=io.StringIO(), width=width, **{**fixed, **options})


def printed(width: int, given=None, numbers=None, sure_at=None, calls=0, **options) -> str:
    target = console(width, **options)
    given = reports() if given is None else given
    numbers = numbers or counters(ACCEPTED_RTP=1497, ACCEPTED_RTCP=12, STUN=101, TRUNCATED=1, NOT_UDP=77)
    tally = FlowTally(1_000_000)
    tally.add_flows(list(ended_flows(given)))
    tally.sure_at = sure_at
    print_report(target, tally, numbers, calls=calls)
    return target.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_report_as_it_was_looked_at(width):
    """A golden file for each layout. After a wanted change, delete the file, run twice, and look at it."""
    golden = GOLDEN / f"report-{width}.txt"
    text = "\n".join(line.rstrip() for line in printed(width).splitlines()) + "\n"
    if not golden.exists():
        golden.write_text(text)
        pytest.fail(f"{golden} was not there and is written now: look at it")
    assert text == golden.read_text()


def test_verdicts_by_headers_are_marked():
    by_headers = [
        replace(report, verdict=replace(report.verdict, based_on=BASED_ON_HEADERS)) for report in reports()
    ]
    assert HEADERS_NOTE in printed(200, by_headers)
    assert HEADERS not in printed(200)
    (first, *_) = by_headers
    needs_whole = replace(
        first, verdict=replace(first.verdict, application=UNKNOWN, reason=REASON_TOO_SHORT, k=100)
    )
    assert why_unknown(needs_whole) == NEEDS_WHOLE


def test_eighty_columns_hold_every_value_unbroken():
    text = printed(80)
    for value in (
        *(
            "192.0.2.10:16384",
            "→ 198.51.100.20:7078",
            "linphone",
            "98.8%, 100",
            "0x1a2b3c4d",
            "PCMU (0)",
            "498",
        ),
        *("pjsua?", "52.0%", "dynamic (111)", "0.4%", "1.6 ms", "98.8%, 40*", "too few packets"),
    ):
        assert value in text


flow_reports = st.builds(
    lambda ipv6, name, guess, codec, numbers, midflow: FlowReport(
        replace(
            unsure((JAMI_IPV6 if ipv6 else LINPHONE)._replace(ssrc=numbers[0] % 2**32)),
            application=name,
            best_application=guess,
            started_midflow=midflow,
        ),
        summary(
            packets=numbers[0], codec=codec, expected=numbers[1], lost=numbers[2], jitter_ms=numbers[3] / 1e3
        ),
    ),
    ipv6=st.booleans(),
    name=st.sampled_from(["unknown", "linphone"]) | st.text(max_size=40),
    guess=st.none() | st.text(max_size=40),
    codec=st.text(max_size=20),
    numbers=st.tuples(*[st.integers(0, 2**40)] * 4),
    midflow=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(given_reports=st.lists(flow_reports, max_size=4), width=st.integers(20, 200))
def test_no_text_is_cut_off_or_wider_than_the_terminal(given_reports, width):
    """Whatever the names and the width: no line is too wide, and every letter of every name is there."""
    target = console(width)
    target.print(flow_table(target, given_reports))
    text = target.file.getvalue()
    assert all(console(width).measure(line).maximum <= width for line in text.splitlines())
    wanted = Counter[str]()
    for report in given_reports:
        flow = report.verdict.flow
        wanted.update(printable(report.verdict.application + report.summary.codec))
        wanted.update(endpoint(flow.src_ip, flow.src_port) + endpoint(flow.dst_ip, flow.dst_port))
        wanted.update(f"{report.summary.packets:,}{flow.ssrc:08x}")
    missing = wanted - Counter(text)
    assert not [letter for letter in missing if not letter.isspace()]


@given(st.text())
def test_nothing_from_outside_steers_the_terminal(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert not [letter for letter in shown if unicodedata.category(letter).startswith("C")]


def test_an_escape_sequence_in_a_name_is_shown_not_obeyed():
    evil = FlowReport(verdict(application="\x1b]0;owned\x07[red]linphone\u202e"), summary())
    text = printed(80, [evil])
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "�]0;owned�[red]linphone�" in text.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("width", [50, 80, 200])
def test_both_names_are_shown_where_both_speak(width):
    named = verdict(
        application="unknown",
        best_application="asterisk",
        reason="contradicted",
        engine="Asterisk res_rtp",
        declared_application="freeswitch",
        declared_version="1.10\x1b[0m",
        declared_by="rtcp",
    )
    text = printed(width, [FlowReport(named, summary())])
    shown = " ".join(text.split())
    assert "packets name another" in shown
    assert "asterisk?" in shown
    assert "res_rtp" not in shown  # the engine would hide that names disagree
    assert "says freeswitch 1.10\N{REPLACEMENT CHARACTER}[0m (rtcp)" in shown or width < 200
    assert "\x1b" not in text


def test_colours_on_a_terminal_and_none_with_no_color(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1m" in printed(80, force_terminal=True)
    table = flow_table(console(80), reports())
    target = console(80, force_terminal=True, no_color=True)
    target.print(counter_table(counters(ACCEPTED_RTP=1)), table)
    assert "\x1b[3" not in target.file.getvalue()


def test_a_long_table_is_folded_on_a_terminal_only():
    many = [
        FlowReport(verdict(LINPHONE._replace(src_port=port)), summary(LINPHONE._replace(src_port=port)))
        for port in range(1000, 1200)
    ]
    on_terminal = printed(80, many, force_terminal=True, height=40, color_system=None)
    assert "192.0.2.10:1000" in on_terminal
    assert "192.0.2.10:1199" not in on_terminal
    assert "… and 192 more flows; all of them:" in on_terminal
    piped = printed(80, many)
    assert "192.0.2.10:1199" in piped
    assert "more flow" not in piped


def test_the_summary_counts_every_flow_once():
    text = printed(80)
    rows = text[text.index("application                ") :].splitlines()[2:6]
    assert [row.split("  ")[0] for row in rows] == [
        "jami",
        "linphone",
        "unknown (not sure enough)",
        "unknown (too few packets)",
    ]


def test_every_counter_has_its_words():
    assert set(EXPLANATIONS) == set(Outcome)
    target = console(100)
    target.print(counter_table([1] * OUTCOMES))
    for explanation in EXPLANATIONS.values():
        assert explanation.meaning in target.file.getvalue()
    assert f"{OUTCOMES:,}" in target.file.getvalue()


def test_no_rtp_at_all_is_explained_by_what_was_there():
    text = printed(80, [], counters(NOT_RTP=500, NOT_IP=3))
    assert "None of the 503 packets belongs to an RTP flow" in text
    assert "(99.4%)" in text
    assert EXPLANATIONS[Outcome.NOT_RTP].meaning in text


@pytest.mark.parametrize(
    ("given", "calls", "words"),
    [
        ([], 0, "There is signalling, but no call in it."),
        ([], 2713, "The signalling of 2,713 calls is here (below), but their media took another way."),
        (None, 0, ""),
        (None, 2, ""),
    ],
)
def test_flows_and_calls_are_not_confused(given, calls, words):
    text = printed(80, given, counters(SIP_UDP=5, ACCEPTED_RTP=0 if given == [] else 1), calls=calls)
    text = " ".join(text.replace("│", " ").split())
    assert words in text
    assert ("No media found" in text) == (given == [])
    assert "No calls" not in text


def test_an_empty_capture_is_explained():
    assert "holds no packets" in printed(80, [], counters())


def test_a_flow_that_goes_on_has_no_statistics():
    target = console(80)
    target.print(flow_table(target, [StoredVerdict(provisional(k=10), None)], with_time=True))
    assert "goes on" in target.file.getvalue()
    assert "2025-10-09 08:53:20" in target.file.getvalue()


def test_why_a_flow_has_no_name():
    unnamed = reports()[-1]
    long_only = replace(unnamed.summary, packets=0, long_packets=900, clock_rate_hz=0)
    given = [
        (FlowReport(unnamed.verdict, unnamed.summary), "too few packets"),
        (FlowReport(replace(unnamed.verdict, k=0), long_only), "only packets too long to judge"),
        (FlowReport(replace(unnamed.verdict, k=60), replace(unnamed.summary, packets=60)), "no model looked"),
    ]
    for each, words in given:
        assert why_unknown(each) == words
        assert words in printed(200, [each])
        assert f"unknown ({words})" in printed(200, [each])


def test_without_a_clock_there_is_no_jitter_to_tell():
    known = FlowReport(verdict(), summary(jitter_ms=7.25))
    assert "7.2 ms" in printed(80, [known])
    unknown = FlowReport(verdict(), summary(jitter_ms=0.0, clock_rate_hz=0))
    assert " ms" not in printed(80, [unknown])


def test_the_k_at_which_a_flow_was_sure():
    sure_at = SureAt()
    for each in (
        provisional(k=2, application="unknown"),
        provisional(k=4, application="zoiper"),
        provisional(k=10),
        provisional(k=40),
        verdict(),
        provisional(PJSUA, k=4, application="pjsua"),
        unsure(PJSUA),
    ):
        sure_at.add(each)
    assert sure_at.get(LINPHONE) == 10
    assert sure_at.get(PJSUA) is None, "in the end nothing was sure"
    assert sure_at.get(JAMI_IPV6) is None
    sure_at.add(verdict(LINPHONE._replace(ssrc=LINPHONE.ssrc + 1), "zoiper", k=20))
    assert sure_at.get(LINPHONE) == 10, "another source on the same quad-tuple is another flow"
    assert "98.8%, 10 " in printed(80, sure_at=sure_at)


def test_progress_is_shown_on_a_terminal_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for terminal in (True, False):
        target = console(80, force_terminal=terminal)
        with CaptureProgress(target, 2_000_000) as progress:
            progress.update(1_000_000, 12_345, 67)
        shown = target.file.getvalue()
        if terminal:
            assert "50%" in shown
            assert "12,345 packets" in shown
            assert "67 flows" in shown
            assert max(len(line) for line in _plain(shown).splitlines()) <= 80
        else:
            assert shown == ""


def test_progress_of_a_stream_has_no_share(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    target = console(80, force_terminal=True)
    with CaptureProgress(target, None) as progress:
        progress.update(1_000_000, 12_345_678, 67)
    assert "%" not in target.file.getvalue()
    assert "12,345,678 packets" in _plain(target.file.getvalue())


def _plain(text: str) -> str:
    return Text.from_ansi(text).plain


def test_people_read_standard_error_when_data_goes_to_standard_output(capsys):
    make_console(data_on_stdout=True).print("for people [bold]")
    make_console(data_on_stdout=False).print("for people too")
    captured = capsys.readouterr()
    assert captured.err == "for people [bold]\n"
    assert captured.out == "for people too\n"


def test_a_terminal_without_unicode_gets_question_marks_instead_of_a_crash(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    target = make_console(data_on_stdout=False)
    target.print("192.0.2.1 → 192.0.2.2")
    target.file.flush()
    assert raw.getvalue() == b"192.0.2.1 ? 192.0.2.2\n"
