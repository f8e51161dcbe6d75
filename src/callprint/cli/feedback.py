"""`callprint feedback`: vote on whether a call was spam, and keep the allow-list."""

import argparse
import time

from rich.console import Console
from rich.text import Text

from callprint.cli.answers import add_store_option
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.votes import add_votes_option
from callprint.core.call import (
    ANONYMOUS_CALLER,
    WATCH,
    WITHDRAWN,
    AllowEntry,
    CallRecord,
    Vote,
    voted_caller,
)
from callprint.core.ground.errors import ConfigError, StoreError
from callprint.core.spam.known_votes import DAY_NS
from callprint.core.wire.votes import MAXIMUM_USER, Disallow, FeedbackRecord
from callprint.output.console import make_console, make_table, printable, quantity
from callprint.stores import CallQuery, VerdictStore, open_store

DESCRIPTION = """\
Vote on whether a call was spam. The detector learns from it the next time it looks at calls. For each user and
caller one vote counts: the latest. The allow-list stands above every detector.
"""

EPILOG = """\
examples:
  callprint feedback a84b4c76e66710@pc33 --spam --by ann         this call was spam
  callprint feedback a84b4c76e66710@pc33 --not-spam --by ann     a change of mind: replaces the vote above
  callprint feedback a84b4c76e66710@pc33 --watch --by ann        keep an eye on the caller: neither spam nor not spam
  callprint feedback a84b4c76e66710@pc33 --withdraw --by ann     my vote counts no more
  callprint feedback --allow +4930123456 --by ann                never accuse this caller again
  callprint feedback --list                                      all votes that count, and the allow-list
  callprint feedback a84b4c76e66710@pc33 --spam --by ann --brokers kafka1:9092
                                                                 through Kafka: the topology stores it

Exit codes: 0 done, 2 usage, 4 the store does not answer or does not hold the call.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "feedback", DESCRIPTION, EPILOG)
    parser.add_argument("call", metavar="CALL", nargs="?", help="the Call-ID, as `callprint calls` shows it")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--spam", action="store_true", help="the call was spam")
    what.add_argument("--not-spam", action="store_true", help="the call was wanted")
    what.add_argument(
        "--watch",
        action="store_const",
        dest="neither",
        const=WATCH,
        help="keep an eye on the caller: counts neither way",
    )
    what.add_argument(
        "--withdraw",
        action="store_const",
        dest="neither",
        const=WITHDRAWN,
        help="take back the vote on the caller",
    )
    what.add_argument("--allow", metavar="CALLER", type=_caller, help="put this caller on the allow-list")
    what.add_argument(
        "--disallow", metavar="CALLER", type=_caller, help="take this caller off the allow-list"
    )
    what.add_argument("--list", action="store_true", help="show the votes that count and the allow-list")
    parser.add_argument("--by", metavar="USER", type=_user, help="who votes, or changes the allow-list")
    parser.add_argument("--from-tag", metavar="TAG", help="which call, where several share a Call-ID")
    add_store_option(parser)
    kafka = parser.add_argument_group("Kafka", "send to the feedback topic instead of writing to the store")
    kafka.add_argument("--brokers", metavar="HOST:PORT,...", help="turns it on; the store is only read")
    kafka.add_argument("--feedback-topic", metavar="NAME", default="feedback", help="(default: %(default)s)")
    kafka.add_argument("--tls-ca", metavar="PEM", help="authority of the brokers' certificates; turns TLS on")
    kafka.add_argument(
        "--sasl-user", metavar="USER", help="turns SASL on; the password is CALLPRINT_KAFKA_PASSWORD"
    )
    add_votes_option(parser)
    add_number_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what was asked and return the exit code.

    Raises StoreError when the store does not answer or does not hold the call, ConfigError for a pseudonym
    key that cannot be used.
    """
    is_vote = bool(args.spam or args.not_spam or args.neither)
    if is_vote != (args.call is not None):
        args.usage_error(
            "CALL goes with --spam, --not-spam, --watch or --withdraw" if args.call else "which CALL?"
        )
    if args.brokers and args.list:
        args.usage_error("--list reads the store: it has no use for --brokers")
    if (is_vote or args.allow or (args.disallow and args.brokers)) and not args.by:
        args.usage_error("--by USER is needed: every vote is somebody's")
    console = make_console(data_on_stdout=False)
    if args.brokers and not is_vote:  # nothing has to be looked up
        caller = _one_caller(args, args.allow or args.disallow)
        kind = AllowEntry if args.allow else Disallow
        _send(kind(caller, args.by, time.time_ns()), args)
        console.print(Text(f"Sent to {args.brokers}: {printable(caller)}."))
        return 0
    with open_store(args.store, create=False) as store:
        if is_vote:
            _vote(console, store, args)
        elif args.allow:
            caller = _one_caller(args, args.allow)
            store.put_allowed([AllowEntry(caller, args.by, time.time_ns())])
            console.print(Text(f"{printable(caller)} is on the allow-list."))
        elif args.disallow:
            caller = _one_caller(args, args.disallow)
            store.remove_allowed(caller)
            console.print(Text(f"{printable(caller)} is not on the allow-list."))
        else:
            _list(console, store)
    return 0


def _vote(console: Console, store: VerdictStore, args: argparse.Namespace) -> None:
    call = _find(store, args.call, args.from_tag)
    caller = voted_caller(call)
    vote = Vote(call.call_id, call.from_tag, caller, args.by, time.time_ns(), args.spam, args.neither)
    earlier = [each for each in store.votes() if each.user == args.by and each.kind != WITHDRAWN]
    before = [each for each in earlier if each.caller == caller]
    today = sum(each.given_at_ns // DAY_NS == vote.given_at_ns // DAY_NS for each in earlier)
    if args.brokers:
        _send(vote, args)
    else:
        store.put_votes([vote])
    instead = f" (your vote for this caller was: {_word(before[0])})" if before else ""
    who = printable(call.caller) or "a caller who was not seen"
    if vote.kind == WITHDRAWN:
        console.print(Text(f"Noted: your vote on {who} counts no more{instead}."))
        return
    console.print(Text(f"Noted: the call of {who} is {_word(vote)}{instead}."))
    if vote.kind is not None:
        return
    if today >= args.votes_per_day and not before:
        console.print(
            Text(
                f"It does not count: {printable(args.by)} has voted on {quantity(today, 'caller')} today (UTC), and "
                f"{args.votes_per_day} new votes of one user on one day count. It would push out none of others."
            )
        )


def _send(feedback: FeedbackRecord, args: argparse.Namespace) -> None:
    try:
        # The Kafka client is in the extra `cluster`, which a user of one store does not install.
        from callprint.messaging.feedback import publish  # noqa: PLC0415 - see above
        from callprint.messaging.settings import KafkaSettings  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"--brokers needs the Kafka client ({error}); install it with: sh tools/setup.sh cluster, in a clone"
        ) from error
    brokers = tuple(args.brokers.split(","))
    publish(
        KafkaSettings(brokers, tls_ca=args.tls_ca, sasl_user=args.sasl_user), args.feedback_topic, feedback
    )


def _find(store: VerdictStore, call_id: str, from_tag: str | None) -> CallRecord:
    calls = list(store.calls(CallQuery(call_id=call_id)))
    if from_tag is not None:
        calls = [call for call in calls if call.from_tag == from_tag]
    if not calls:
        raise StoreError(f"{printable(store.url)} holds no call {printable(call_id)}; see `callprint calls`")
    if len({voted_caller(call) for call in calls}) > 1:
        tags = ", ".join(printable(call.from_tag) for call in calls)
        raise StoreError(
            f"several callers share the Call-ID {printable(call_id)}; name one by --from-tag: {tags}"
        )
    return calls[0]


def _list(console: Console, store: VerdictStore) -> None:
    votes = [vote for vote in store.votes() if vote.kind != WITHDRAWN]
    allowed = list(store.allowed())
    table = make_table()
    for heading in ("caller", "user", "vote", "Call-ID"):
        table.add_column(heading, overflow="fold")
    for vote in votes:
        table.add_row(
            *(Text(printable(text)) for text in (vote.caller, vote.user, _word(vote), vote.call_id))
        )
    for entry in allowed:
        table.add_row(
            Text(printable(entry.caller)), Text(printable(entry.user)), Text("always allowed"), Text("")
        )
    if votes or allowed:
        console.print(table)
    console.print(
        Text(f"{quantity(len(votes), 'vote')}, {quantity(len(allowed), 'allowed caller')}", style="dim")
    )


def _word(vote: Vote) -> str:
    return {WATCH: "to watch", WITHDRAWN: "taken back"}.get(vote.kind or "", vote.says.replace("_", " "))


def _caller(text: str) -> str:
    text = text.strip()
    if not text:
        raise argparse.ArgumentTypeError("an empty text is not a caller")
    return text


def _one_caller(args: argparse.Namespace, text: str) -> str:
    """Return the caller as call rows spell it. Raises ConfigError for the one name behind which many hide."""
    caller = identity_reader(args).of_text(text).text
    shown = text.lower().removeprefix("sips:").removeprefix("sip:").partition("@")[0]
    if args.allow and ANONYMOUS_CALLER in (caller, shown):
        raise ConfigError(
            f"{printable(text)!r} is everybody who hides their number, not one caller: it cannot be put on the "
            "allow-list"
        )
    return caller


def _user(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MAXIMUM_USER or not text.isprintable():
        raise argparse.ArgumentTypeError(f"a user's name has 1 to {MAXIMUM_USER} printable characters")
    return text
