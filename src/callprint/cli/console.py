"""`callprint console`: the store in the browser, and a REST interface."""

import argparse
import contextlib
import getpass
import ipaddress
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from callprint.cli import EXIT_ERROR
from callprint.cli.answers import add_store_option
from callprint.cli.kept import add_kept_options
from callprint.cli.parsers import Subparsers, add_command, port
from callprint.core.ground.errors import ConfigError
from callprint.messaging.topic_names import TopicNames
from callprint.output.console import make_console, make_messages, printable
from callprint.stores import default_store_url, open_store
from callprint.stores.kept_calls import read_key

if TYPE_CHECKING:
    from callprint.console.users import Users

DEFAULT_PORT = 8383
ROLES = ("viewer", "analyst", "administrator")

DESCRIPTION = """\
Show the store in the browser: what happens now, flows, calls, the fraud desk, unknown flows, models; and offer all of
it under /api/v1 to programs. Without users it listens on this machine alone, and prints a link that lets one browser
in.
"""

EPILOG = """\
examples:
  callprint console                                        the usual store; open the link that it prints
  callprint console --store calls.sqlite --port 9000
  callprint console user add ann --role analyst            asks for a password; from now on users log in
  callprint console user add robot --role analyst --token  prints a token for a program (docs/use/console.md)
  callprint console --listen 0.0.0.0 --host-name voip.example --tls-cert c.pem --tls-key k.pem

docs/use/console.md walks through it. Exit codes: 0 ended, 2 wrong usage, 4 the store or a file cannot be used.
"""


ADD_DESCRIPTION = """\
Add a user, or change one. It asks for a password of at least 10 characters, twice; where standard input is no terminal,
its first line is the password.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "console", DESCRIPTION, EPILOG)
    add_store_option(parser)
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="(default: %(default)s)")
    parser.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1", help="(default: %(default)s)")
    parser.add_argument(
        "--host-name",
        metavar="NAME",
        action="append",
        default=[],
        help="name by which browsers find it; may be given more than once",
    )
    parser.add_argument("--tls-cert", metavar="PEM", type=Path, help="certificate with its chain")
    parser.add_argument("--tls-key", metavar="PEM", type=Path, help="its key")
    parser.add_argument("--brokers", metavar="HOST:PORT,...", help="votes go to Kafka instead of the store")
    parser.add_argument("--feedback-topic", metavar="NAME", default="feedback", help="(default: %(default)s)")
    parser.add_argument(
        "--kafka-tls-ca", metavar="PEM", help="authority of the brokers' certificates; turns TLS on"
    )
    parser.add_argument(
        "--sasl-user", metavar="USER", help="turns SASL on; the password is CALLPRINT_KAFKA_PASSWORD"
    )
    parser.add_argument(
        "--kafka",
        metavar="HOST:PORT,...",
        help="brokers that say how far a topology has read, shown on the first page (default: those of --brokers)",
    )
    parser.add_argument(
        "--consumer-group",
        metavar="NAME",
        default="callprint",
        help="that of the topology (default: %(default)s)",
    )
    parser.add_argument(
        "--topics",
        metavar="MEDIA,SIGNALING,FEEDBACK,DEAD-LETTERS",
        type=_topics,
        default=TopicNames(),
        help=f"those of the topology (default: {','.join(TopicNames())})",
    )
    parser.add_argument(
        "--agents",
        metavar="URL,...",
        type=_urls,
        default=(),
        help="metrics of capture agents (their --metrics), shown on the first page",
    )
    parser.add_argument(
        "--forward-auth", metavar="HEADER", default="", help="header in which a proxy in front names the user"
    )
    parser.add_argument(
        "--trusted-proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="whose headers count, X-Forwarded-For among them; may be given more than once (default: loopback)",
    )
    parser.add_argument(
        "--train-with",
        metavar="DATASET",
        type=Path,
        help="labelled calls (folder, or file of `callprint dataset build`) that training adds named flows to",
    )
    add_kept_options(parser)
    parser.add_argument(
        "--folder", metavar="FOLDER", type=Path, help="users and log (default: in callprint's data folder)"
    )
    parser.set_defaults(run=run, usage_error=parser.error)
    _add_user_actions(parser)
    return parser


def _add_user_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    user = actions.add_parser(
        "user", help="add, list and remove users", description="Add, list and remove users."
    )
    whats = user.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = whats.add_parser("add", help="add a user, or change one", description=ADD_DESCRIPTION)
    add.add_argument("name", metavar="NAME", help="by which the user logs in")
    add.add_argument(
        "--role", choices=ROLES, default=ROLES[0], help="what the user may do (default: %(default)s)"
    )
    add.add_argument(
        "--token", action="store_true", help="for a program: print a token instead of asking for a password"
    )
    remove = whats.add_parser("remove", help="take a user out", description="Take a user out.")
    remove.add_argument("name", metavar="NAME", help="as `callprint console user list` shows it")
    whats.add_parser("list", help="list the users", description="List the users.").set_defaults(
        run=_list_users
    )
    add.set_defaults(run=_add_user)
    remove.set_defaults(run=_remove_user)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Raises StoreError or ConfigError."""
    # The extra `console`, which --help does without.
    import uvicorn  # noqa: PLC0415 - see above

    from callprint.console.app import make_app  # noqa: PLC0415
    from callprint.console.sessions import Sessions  # noqa: PLC0415
    from callprint.console.settings import ConsoleSettings, default_folder  # noqa: PLC0415

    if (args.tls_cert is None) != (args.tls_key is None):
        args.usage_error("--tls-cert and --tls-key go together")
    if args.train_with and not args.train_with.exists():
        raise ConfigError(f"there is no dataset {args.train_with}")
    url = args.store or default_store_url()
    open_store(
        url, create=False
    ).close()  # so that a wrong name is said here, and an old store is upgraded once
    users = _users(args)
    has_users = bool(users.accounts())
    if not has_users and not _is_loopback(args.listen):
        raise ConfigError(
            f"without users the console listens on this machine alone, not on {args.listen}: add one with "
            "`callprint console user add NAME --role analyst`"
        )
    settings = ConsoleSettings(
        store_url=url,
        folder=args.folder or default_folder(),
        hosts=tuple(args.host_name),
        tls=args.tls_cert is not None,
        kafka=tuple(kafka.split(",")) if (kafka := args.kafka or args.brokers) else (),
        consumer_group=args.consumer_group,
        topics=args.topics,
        agents=args.agents,
        brokers=tuple(args.brokers.split(",")) if args.brokers else (),
        feedback_topic=args.feedback_topic,
        kafka_tls_ca=args.kafka_tls_ca,
        sasl_user=args.sasl_user,
        forward_auth=args.forward_auth,
        kept_calls=args.kept_calls,
        key_file=Path(args.key_file) if args.key_file else None,
        train_with=args.train_with.absolute() if args.train_with else None,
        trusted_proxies=tuple(args.trusted_proxy) or ("127.0.0.1", "::1"),
    )
    read_key(args.key_file)
    sessions = Sessions()
    config = uvicorn.Config(make_app(settings, sessions), **server_options(args))
    try:
        config.load()
    except OSError as error:
        raise ConfigError(
            f"--tls-cert {args.tls_cert} and --tls-key {args.tls_key} cannot be used: {error.strerror or error}"
        ) from error
    listening = _listen(args.listen, args.port)  # before the link is shown
    console = make_console(data_on_stdout=False)
    scheme = "https" if settings.tls else "http"
    host = f"[{args.listen}]" if ":" in args.listen else args.listen
    base = f"{scheme}://{host}:{args.port}"
    console.print(Text(f"The console shows {printable(url)}; Ctrl-C ends it."))
    if has_users:
        console.print(Text(f"{base}/"), soft_wrap=True)
    else:
        console.print(Text("Open this link, which works once:"))
        console.print(Text(f"{base}/enter?key={sessions.make_link()}"), soft_wrap=True)
    server = uvicorn.Server(config)
    with listening, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0 if server.started else EXIT_ERROR


def _listen(host: str, port_number: int) -> socket.socket:
    """Return a socket that listens. Raises ConfigError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port_number), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"the console cannot listen at {host}, port {port_number} ({error.strerror}): "
            "name another --port or --listen"
        ) from error


def server_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return how uvicorn is to serve the console."""
    return {
        "host": args.listen,
        "port": args.port,
        "ssl_certfile": args.tls_cert,
        "ssl_keyfile": args.tls_key,
        "log_level": "warning",
        "access_log": False,  # it would hold the key of the link
        "server_header": False,
        "proxy_headers": False,  # it would hide the proxy, whose word on users counts; the guard reads them
        "timeout_graceful_shutdown": 2,
    }


def _users(args: argparse.Namespace) -> "Users":
    from callprint.console.settings import default_folder  # noqa: PLC0415 - the extra `console`
    from callprint.console.users import Users  # noqa: PLC0415

    return Users((args.folder or default_folder()) / "users.json")


def _add_user(args: argparse.Namespace) -> int:
    from callprint.console.sessions import Role  # noqa: PLC0415 - the extra `console`

    users, role = _users(args), Role[args.role.upper()]
    messages = make_messages()
    if args.token:
        print(users.set_token(args.name, role))
        messages.print(Text("This token is shown once: Authorization: Bearer TOKEN"))
        return 0
    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            raise ConfigError("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\n")
    users.set_password(args.name, role, password)
    messages.print(Text(f"{printable(args.name)} may come in as {args.role}."))
    return 0


def _remove_user(args: argparse.Namespace) -> int:
    _users(args).remove(args.name)
    make_messages().print(
        Text(f"{printable(args.name)} may come in no more; running sessions end with the console.")
    )
    return 0


def _list_users(args: argparse.Namespace) -> int:
    console = make_console(data_on_stdout=False)
    for name, account in sorted(_users(args).accounts().items()):
        console.print(Text(f"{printable(name)}  {account.role}  {'token' if account.token else 'password'}"))
    return 0


def _topics(text: str) -> TopicNames:
    """Return four names with commas between; an argparse type."""
    names = text.split(",")
    if len(names) != len(TopicNames._fields) or not all(names):
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not four names with commas between")
    return TopicNames(*names)


def _urls(text: str) -> tuple[str, ...]:
    """Return addresses with commas between; an argparse type."""
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        if not re.fullmatch(r"https?://[^\s@]{1,500}", url):
            raise argparse.ArgumentTypeError(
                f"{printable(url)!r} is no address such as http://agent1:9100/metrics"
            )
    return urls


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
