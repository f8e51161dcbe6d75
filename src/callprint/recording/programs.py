"""Which program a process is, and of which version: from /proc, the package manager, or the binary itself.

Interpreters are named by what they run, and sandboxes by what is inside: a snap by its name and revision, a Flatpak by
its application id, an AppImage by its mount.
"""

import contextlib
import hashlib
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from callprint.core.verdict import UNKNOWN

PROC = Path("/proc")

INTERPRETERS = re.compile(r"(python|node|nodejs|java|perl|ruby|mono|dotnet|electron)[\d.]*")
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_APP_IMAGE = re.compile(
    r"/tmp/\.mount_([A-Za-z0-9_-]+?).{6}/"
)  # the mount point ends in six random characters
_SNAP = re.compile(r"/(?:var/lib/snapd/)?snap/([^/]+)/([^/]+)/")
_WITH_VALUE = (
    "-X",
    "-W",
    "-cp",
    "-classpath",
    "--class-path",
    "--module-path",
    "-r",
    "--require",
    "--import",
    "-I",
)
"""Options of interpreters that take the next argument, so that it is no script."""
_COMMAND_S = 10.0
_LONGEST = 64  # characters of a name or version
_SMALL, _LARGE = 1 << 16, 1 << 30  # bytes of a description, and of a program
_PATTERN = re.compile(r"[*?\[\\]")  # dpkg takes a path with one of these for a pattern


class Program(NamedTuple):
    """What a process runs."""

    name: str  # as flows.csv has it
    version: str  # where its path says it, else ""
    file: str  # whose version is that of the program; "" for none


def owners_of(inodes: set[int], proc: Path = PROC) -> dict[int, int]:
    """Return the processes that hold sockets, by the inodes of these. Processes that end meanwhile are skipped."""
    found: dict[int, int] = {}
    for process in sorted(int(path.name) for path in proc.iterdir() if path.name.isdecimal()):
        try:
            descriptors = list((proc / str(process) / "fd").iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                match = _SOCKET.fullmatch(str(descriptor.readlink()))
                if match and int(match[1]) in inodes:
                    # A socket that a parent shares with its children is the youngest one's: they do the work.
                    found[int(match[1])] = process
    return found


def program_of(process: int, proc: Path = PROC) -> Program | None:
    """Return the program of a process, without its version unless that is in a path; None: it has ended."""
    folder = proc / str(process)
    try:
        binary = str((folder / "exe").readlink()).removesuffix(" (deleted)")
        arguments = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        home = (folder / "cwd").readlink()
        flatpak = _small_file(folder / "root" / ".flatpak-info")
        elsewhere = not (folder / "root").samefile(
            "/"
        )  # a container: its files are not those of these names here
    except OSError:
        return None
    program = named(binary, arguments, home, flatpak)
    return program._replace(file=f"{folder}/root{program.file}") if elsewhere and program.file else program


def _small_file(path: Path) -> str:
    """Return the beginning of a file that a stranger may have put there; "" where there is no regular one."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(_SMALL).decode("utf-8", "replace")


def named(binary: str, arguments: Sequence[str], home: Path = Path("/"), flatpak: str = "") -> Program:
    """Return the program of a binary with its arguments.

    home: the working folder, to which a script's path may be relative; flatpak: .flatpak-info, "" outside of one.
    """
    if flatpak:
        name = re.search(r"^name=(.+)$", flatpak, re.MULTILINE)
        commit = re.search(r"^app-commit=([0-9a-f]{1,12})", flatpak, re.MULTILINE)
        if name:
            return Program(_clean(name[1].rpartition(".")[2].lower()), commit[1] if commit else "", "")
    if snap := _SNAP.match(binary):
        return Program(_clean(snap[1]), _clean(f"snap {snap[2]}"), "")
    if image := _APP_IMAGE.match(binary):
        return Program(_clean(image[1].lower()), "", binary)
    name = Path(binary).name
    if INTERPRETERS.fullmatch(name) and (script := _script(arguments[1:])):
        script_name, file = script
        return Program(_clean(script_name), "", str(home / file) if file else "")
    return Program(_clean(name), "", binary)


def _script(arguments: Sequence[str]) -> tuple[str, str] | None:
    """Return name and file of the script or module (it has no file here) that an interpreter runs; None: neither."""
    for before, argument in zip(("", *arguments), arguments, strict=False):
        if before == "-m":
            return argument.partition(".")[0], ""
        if argument in ("-c", "-e"):
            return None
        if before in _WITH_VALUE:
            continue
        if argument and not argument.startswith("-"):
            return Path(argument).stem, argument
    return None


def _clean(text: str) -> str:
    """Return a text from outside as a name that a table, a file and a terminal can bear."""
    # What begins with a sign would be a formula to a spreadsheet; what is `unknown` has no name.
    name = re.sub(r"[^A-Za-z0-9._+ -]+", "_", text).lstrip("+-. ")[:_LONGEST].rstrip()
    return name if name and name.lower() != UNKNOWN else "unnamed"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def version_of(binary: str, ask: Callable[..., str] = _output) -> str:
    """Return the version of a binary: that of its Debian or RPM package, else the start of its SHA-256; "" for none.

    A binary below /proc is in a container, of whose packages nothing is known here.
    """
    if binary.startswith(f"{PROC}/"):
        return _digest(binary)
    # Where /bin is a link to /usr/bin, a package may list either.
    paths = () if _PATTERN.search(binary) else dict.fromkeys((binary, binary.removeprefix("/usr")))
    for path in paths:
        package = ask("dpkg-query", "--search", "--", path).partition(":")[0]
        version = package and ask("dpkg-query", "--show", "--showformat=${Version}", "--", package)
        if version:
            return _clean(f"{package} {version}")
    if package := ask(
        "rpm", "--query", "--file", "--queryformat=%{NAME} %{VERSION}-%{RELEASE}", "--", binary
    ):
        return _clean(package)
    return _digest(binary)


def _digest(binary: str) -> str:
    try:
        if not Path(binary).is_file() or Path(binary).stat().st_size > _LARGE:
            return ""
        with Path(binary).open("rb") as file:
            return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
    except OSError:
        return ""
