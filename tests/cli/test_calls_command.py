"""`callprint calls` and `callprint feedback`, from their arguments to the store and standard output."""

import argparse
import json

import pytest
from call_samples import at_setup, call

from callprint.cli import calls, feedback
from callprint.core.call import Action
from callprint.core.ground.errors import ConfigError, StoreError
from callprint.core.signalling.identity import IdentityReader
from callprint.stores import open_store

SPAM = call(
    call_id="spam@x",
    caller="+4930999999",
    spam=True,
    spam_score=0.99,
    action=Action.BLOCK,
    caller_application="sipp",
    started_ns=call().started_ns + 1,
)
HIDDEN = call(call_id="hidden@x", caller="anonymous", started_ns=call().started_ns + 2)


@pytest.fixture
def store_path(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    with open_store(str(path)) as store:
        store.put_calls([at_setup(), call(), SPAM, HIDDEN])
    return path


def run(command, *arguments) -> int:
    parser = argparse.ArgumentParser(prog="callprint")
    module = {"calls": calls, "feedback": feedback}[command]
    module.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args([command, *map(str, arguments)])
    return args.run(args)


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ([], ["hidden@x", "spam@x", call().call_id]),
        (["--spam"], ["spam@x"]),
        (["--not-spam"], ["hidden@x", call().call_id]),
        (["--number", "+49 30 999-999"], ["spam@x"]),
        (["--number", "030 999999", "--country-code", "49"], ["spam@x"]),
        (["--number", "030 999999", "--region", "DE"], ["spam@x"]),
        (["--number", "999 999"], ["spam@x"]),
        (["--number", "0309999"], ["spam@x"]),
        (["--number", "4930", "--limit", "2"], ["hidden@x", "spam@x"]),
        (["--number", "ANONYM"], ["hidden@x"]),
        (["--number", "4915112345678", "--spam"], []),
        (["--number", "77777"], []),
        (["--application", "sipp"], ["spam@x"]),
        (["--call-id", call().call_id, "--all"], [call().call_id] * 2),
        (["--since", SPAM.started_ns, "--until", HIDDEN.started_ns], ["spam@x"]),
        (["--limit", "1"], ["hidden@x"]),
    ],
)
def test_conditions(store_path, capsys, conditions, found):
    assert run("calls", "--store", store_path, "--json", *conditions) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert [json.loads(line)["call_id"] for line in captured.out.splitlines()] == found


def test_part_of_an_address_is_no_number(store_path, capsys):
    with open_store(str(store_path)) as store:
        store.put_calls([call(call_id="host@x", caller="zoe@10.141.15.209")])
    run("calls", "--store", store_path, "--json", "--number", "10.141")
    assert json.loads(capsys.readouterr().out)["call_id"] == "host@x"


def test_a_person_sees_a_table(store_path, capsys):
    assert run("calls", "--store", store_path) == 0
    out = capsys.readouterr().out
    assert "3 calls, 1 of them spam" in " ".join(out.split())
    assert run("calls", "--store", store_path, "--call-id", "none") == 0
    assert "No call" in capsys.readouterr().out


def test_csv(store_path, capsys):
    run("calls", "--store", store_path, "--csv")
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_number_is_a_mistake_and_does_not_mean_every_call(store_path, capsys, blank):
    with pytest.raises(SystemExit) as ended:
        run("calls", "--store", store_path, "--number", blank)
    assert ended.value.code == 2
    assert "argument --number: is blank" in capsys.readouterr().err


def test_numbers_are_found_under_their_pseudonym(store_path, tmp_path, capsys):
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef\n")
    pseudonym = IdentityReader(pseudonym_key=b"0123456789abcdef").of_text("+4930777777").text
    with open_store(str(store_path)) as store:
        store.put_calls([call(call_id="p@x", caller=pseudonym)])
    run("calls", "--store", store_path, "--json", "--number", "+4930777777", "--pseudonym-key", key)
    assert json.loads(capsys.readouterr().out)["call_id"] == "p@x"


def test_a_missing_or_short_key_is_a_clear_error(store_path, tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        run("calls", "--store", store_path, "--number", "1", "--pseudonym-key", tmp_path / "none")
    short = tmp_path / "short"
    short.write_bytes(b"short")
    with pytest.raises(ConfigError, match="16 bytes"):
        run("calls", "--store", store_path, "--number", "1", "--pseudonym-key", short)


def votes(path) -> list[tuple[str, str, bool]]:
    with open_store(str(path)) as store:
        return [(vote.caller, vote.user, vote.spam) for vote in store.votes()]


def test_one_vote_of_a_user_counts_for_a_caller(store_path, capsys):
    run("feedback", "spam@x", "--spam", "--by", "ann", "--store", store_path)
    run("feedback", "spam@x", "--spam", "--by", "bob", "--store", store_path)
    run("feedback", "spam@x", "--not-spam", "--by", "ann", "--store", store_path)
    assert "your vote for this caller was: spam" in " ".join(capsys.readouterr().out.split())
    assert votes(store_path) == [("+4930999999", "ann", False), ("+4930999999", "bob", True)]


def test_a_vote_is_taken_back_and_a_caller_watched(store_path, capsys):
    run("feedback", "spam@x", "--spam", "--by", "ann", "--store", store_path)
    run("feedback", "spam@x", "--withdraw", "--by", "ann", "--store", store_path)
    run("feedback", "spam@x", "--watch", "--by", "bob", "--store", store_path)
    said = " ".join(capsys.readouterr().out.split())
    assert "counts no more (your vote for this caller was: spam)" in said
    assert "is to watch" in said
    run("feedback", "--list", "--store", store_path)
    listed = capsys.readouterr().out
    assert "bob" in listed
    assert "ann" not in listed


def test_a_vote_above_the_rate_is_told_so(store_path, capsys):
    run("feedback", "spam@x", "--spam", "--by", "ann", "--store", store_path, "--votes-per-day", "1")
    run("feedback", "spam@x", "--not-spam", "--by", "ann", "--store", store_path, "--votes-per-day", "1")
    assert "does not count" not in capsys.readouterr().out
    run("feedback", "hidden@x", "--spam", "--by", "ann", "--store", store_path, "--votes-per-day", "1")
    assert "It does not count: ann has voted on 1 caller today" in " ".join(capsys.readouterr().out.split())
    run("feedback", "hidden@x", "--spam", "--by", "bob", "--store", store_path, "--votes-per-day", "1")
    assert "does not count" not in capsys.readouterr().out


def test_a_vote_on_a_hidden_caller_is_about_that_call_alone(store_path):
    run("feedback", "hidden@x", "--spam", "--by", "ann", "--store", store_path)
    assert votes(store_path) == [("hidden@x", "ann", True)]


def test_the_allow_list(store_path, capsys):
    run("feedback", "--allow", "+49 30 999999", "--by", "ann", "--store", store_path)
    with open_store(str(store_path)) as store:
        assert [entry.caller for entry in store.allowed()] == ["+4930999999"]
    run("feedback", "--list", "--store", store_path)
    assert "always allowed" in capsys.readouterr().out
    run("feedback", "--disallow", "+4930999999", "--store", store_path)
    run("feedback", "--list", "--store", store_path)
    assert "0 votes, 0 allowed callers" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["anonymous", "Anonymous", "anonymous@anonymous.invalid"])
def test_everybody_who_hides_cannot_be_allowed_at_once(store_path, name):
    with pytest.raises(ConfigError, match="everybody who hides"):
        run("feedback", "--allow", name, "--by", "ann", "--store", store_path)
    with open_store(str(store_path)) as store:
        assert list(store.allowed()) == []


def test_brokers_that_do_not_answer_are_named_and_nothing_is_stored(store_path, monkeypatch):
    pytest.importorskip("kafka", reason="the extra `cluster` is not installed")
    monkeypatch.setattr("callprint.messaging.feedback.BOOTSTRAP_TIMEOUT_S", 0.2)
    common = ["--by", "ann", "--brokers", "127.0.0.1:1", "--store", store_path]
    for arguments in (["spam@x", "--spam"], ["--allow", "+49 30 999999"]):
        with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1"):
            run("feedback", *arguments, *common)
    assert votes(store_path) == []


def test_a_call_id_with_two_callers_wants_the_tag(store_path):
    with open_store(str(store_path)) as store:
        store.put_calls([call(call_id="spam@x", from_tag="other", caller="+4930111111")])
    with pytest.raises(StoreError, match="--from-tag"):
        run("feedback", "spam@x", "--spam", "--by", "ann", "--store", store_path)
    run("feedback", "spam@x", "--from-tag", "other", "--spam", "--by", "ann", "--store", store_path)
    assert votes(store_path) == [("+4930111111", "ann", True)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["spam@x", "--spam"],
        ["--spam", "--by", "ann"],
        ["spam@x", "--list"],
        ["spam@x", "--spam", "--not-spam", "--by", "ann"],
        ["--list", "--brokers", "127.0.0.1:1"],
        ["--disallow", "+49", "--brokers", "127.0.0.1:1"],
        ["--allow", "+49301234567"],
        ["--allow", "", "--by", "ann"],
        ["--allow", " ", "--by", "ann"],
        ["--disallow", "", "--by", "ann"],
        ["spam@x", "--spam", "--by", " "],
        ["spam@x", "--spam", "--by", "a\x1bnn"],
    ],
)
def test_wrong_usage_is_refused(store_path, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run("feedback", *arguments, "--store", store_path)
    assert caught.value.code == 2


def test_an_unknown_call_is_an_error(store_path):
    with pytest.raises(StoreError, match="holds no call"):
        run("feedback", "nobody@x", "--spam", "--by", "ann", "--store", store_path)
