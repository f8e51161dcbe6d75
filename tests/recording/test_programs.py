"""Names of programs: by binary, by what an interpreter runs, by sandbox; versions; who holds a socket."""

import hashlib
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from callprint.recording.programs import Program, named, owners_of, program_of, version_of

FLATPAK = "[Application]\nname=org.jitsi.jitsi-meet\n[Instance]\napp-commit=0123456789abcdef\n"


@pytest.mark.parametrize(
    ("binary", "arguments", "expected"),
    [
        ("/usr/bin/baresip", ["baresip", "-f", "x"], Program("baresip", "", "/usr/bin/baresip")),
        (
            "/usr/bin/python3.11",
            ["python3", "-u", "phone.py", "a"],
            Program("phone", "", "/home/me/phone.py"),
        ),
        ("/usr/bin/python3", ["python3", "/opt/x/voice.py"], Program("voice", "", "/opt/x/voice.py")),
        ("/usr/bin/python3", ["python3", "-m", "aiortc.tool"], Program("aiortc", "", "")),
        ("/usr/bin/python3", ["python3", "-c", "print()"], Program("python3", "", "/usr/bin/python3")),
        ("/usr/bin/java", ["java", "-jar", "/opt/jitsi.jar"], Program("jitsi", "", "/opt/jitsi.jar")),
        ("/snap/linphone/42/bin/linphone", ["linphone"], Program("linphone", "snap 42", "")),
        (
            "/tmp/.mount_JamiAbC123/usr/bin/jami",
            ["jami"],
            Program("jami", "", "/tmp/.mount_JamiAbC123/usr/bin/jami"),
        ),
        ("/usr/bin/python3", ["python3", "-X", "dev", "phone.py"], Program("phone", "", "/home/me/phone.py")),
        ("/usr/bin/java", ["java", "-cp", "a.jar:b", "Phone"], Program("Phone", "", "/home/me/Phone")),
        ("/opt/-2+3", ["x"], Program("2+3", "", "/opt/-2+3")),
        ("/opt/=cmd", ["x"], Program("_cmd", "", "/opt/=cmd")),
        ("/opt/...", ["x"], Program("unnamed", "", "/opt/...")),
        ("/usr/bin/python3", ["python3", "unknown.py"], Program("unnamed", "", "/home/me/unknown.py")),
        ("/opt/" + "a" * 300, ["x"], Program("a" * 64, "", "/opt/" + "a" * 300)),
        ("/opt/a\x1b[31m\u202eb", ["x"], Program("a_31m_b", "", "/opt/a\x1b[31m\u202eb")),
    ],
)
def test_names(binary, arguments, expected):
    assert named(binary, arguments, Path("/home/me")) == expected


def test_a_flatpak_is_named_by_its_application():
    assert named("/app/bin/x", ["x"], Path("/"), FLATPAK) == Program("jitsi-meet", "0123456789ab", "")


def test_a_version_by_package_or_by_the_binary_itself(tmp_path):
    def debian(*command: str) -> str:
        answers = {"--search": "baresip-core:amd64: /bin/baresip\n", "--show": "1.0.0-4"}
        return answers.get(command[1], "") if command[0] == "dpkg-query" else ""

    def red_hat(*command: str) -> str:
        return "baresip 1.1-2.fc40" if command[0] == "rpm" else ""

    assert version_of("/usr/bin/baresip", debian) == "baresip-core 1.0.0-4"
    assert version_of("/usr/bin/baresip", red_hat) == "baresip 1.1-2.fc40"
    own = tmp_path / "phone"
    own.write_bytes(b"phone")
    assert version_of(str(own), lambda *_: "") == f"sha256 {hashlib.sha256(b'phone').hexdigest()[:12]}"
    assert version_of(str(tmp_path / "gone"), lambda *_: "") == ""


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs dpkg-query (Debian)")
def test_the_package_of_a_real_binary():
    assert version_of("/usr/bin/dpkg").startswith("dpkg 1.")


def test_this_process_holds_its_sockets():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        inode = os.fstat(own.fileno()).st_ino
        assert owners_of({inode, 1}) == {inode: os.getpid()}
    program = program_of(os.getpid())
    assert program is not None
    assert program.name
    assert Path(sys.executable).exists()
    assert program_of(2**22 + 1) is None


def test_in_a_container_no_package_of_this_machine_is_asked(tmp_path, monkeypatch):
    proc = tmp_path / "proc"
    own = proc / "7" / "root" / "usr" / "bin" / "phone"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"phone")
    (proc / "7" / "exe").symlink_to("/usr/bin/phone")
    (proc / "7" / "cwd").symlink_to("/")
    (proc / "7" / "cmdline").write_bytes(b"phone\0")
    program = program_of(7, proc)
    assert program == Program("phone", "", f"{proc}/7/root/usr/bin/phone")
    monkeypatch.setattr("callprint.recording.programs.PROC", proc)

    def ask(*command: str) -> str:
        raise AssertionError(command)

    assert version_of(program.file, ask) == f"sha256 {hashlib.sha256(b'phone').hexdigest()[:12]}"
