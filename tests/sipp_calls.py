"""Real calls: SIPp phones in two network namespaces, joined by a veth pair that tcpdump records.

Callers live in one namespace, callees in the other; everything (namespaces, link, processes) is gone when the
`with` block is left. Needs root, `ip`, `sipp` and `tcpdump`.
"""

import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CALLER_IP, CALLEE_IP = "10.77.0.1", "10.77.0.2"
MISSING, BUSY, IMPATIENT = "4040", "4860", "8900"
"""How the number of a callee begins, after +49: nobody there, busy, hangs up after a second."""

_HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]-[call_number]
      To: <sip:[field1]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      Max-Forwards: 70"""
_REPLY = """[last_Via:]
      [last_From:]
      [last_To:];tag=[pid]-[call_number]
      [last_Call-ID:]
      [last_CSeq:]"""
_SDP = """v=0
      o=- 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [rtpstream_audio_port] RTP/AVP 8
      a=rtpmap:8 PCMA/8000"""
_TALK = '<nop><action><exec rtp_stream="{speech},-1,8,PCMA/8000"/></action></nop>'
_QUIET = '<nop><action><exec rtp_stream="pause"/></action></nop>'


def _send(first: str, rest: str, extra: str = "Content-Length: 0\n", attributes: str = "") -> str:
    return f"<send {attributes}><![CDATA[\n      {first}\n      {rest}\n      {extra}\n    ]]></send>\n"


def _request(method: str, cseq: int, body: str = "", attributes: str = "") -> str:
    extra = f"CSeq: {cseq} {method}\n      Content-Length: 0\n"
    if body:
        extra = (
            f"CSeq: {cseq} {method}\n      Contact: <sip:[field0]@[local_ip]:[local_port]>\n"
            "      User-Agent: [agent]\n      Content-Type: application/sdp\n"
            f"      Content-Length: [len]\n\n      {body}"
        )
    return _send(f"{method} sip:[field1]@[remote_ip]:[remote_port] SIP/2.0", _HEADERS, extra, attributes)


def caller_scenario(speech: Path, *, waits_for_callee: bool) -> str:
    """A phone that calls as the injection file says: caller;callee. It hangs up after 3-6 s, or lets callees."""
    bye = _request("BYE", 2, attributes='retrans="500"') + '<recv response="200" next="done"/>\n'
    if waits_for_callee:
        ending = (
            '<recv request="BYE" timeout="6000" ontimeout="own_bye"/>\n'
            + _QUIET
            + _send(
                "SIP/2.0 200 OK", _REPLY.replace(";tag=[pid]-[call_number]", ""), attributes='next="done"'
            )
            + f'<label id="own_bye"/>\n{_QUIET}{bye}'
        )
    else:
        ending = f'<pause distribution="uniform" min="3000" max="6000"/>\n{_QUIET}{bye}'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="caller">\n'
        + _request("INVITE", 1, _SDP, 'retrans="500"')
        + '<recv response="100" optional="true"/>\n<recv response="180" optional="true"/>\n'
        + '<recv response="404" optional="true" next="refused"/>\n'
        + '<recv response="486" optional="true" next="refused"/>\n<recv response="200"/>\n'
        + _request("ACK", 1)
        + _TALK.format(speech=speech)
        + ending
        + '<label id="refused"/>\n'
        + _request("ACK", 1)
        + '<label id="done"/>\n<nop/>\n</scenario>\n'
    )


def callee_scenario(speech: Path) -> str:
    """Phones that behave as their number says: answer and talk, answer and hang up, refuse, or do not exist."""

    def prefix(name: str, digits: str) -> str:
        return f'<ereg regexp="sip:.49{digits}" search_in="hdr" header="To:" assign_to="{name}"/>'

    actions = prefix("missing", MISSING) + prefix("busy", BUSY) + prefix("impatient", IMPATIENT)
    answer = (
        "Contact: <sip:[local_ip]:[local_port]>\n      User-Agent: callee/1.0\n"
        "      Content-Type: application/sdp\n"
    )
    refused = '<recv request="ACK" next="done"/>\n'
    own_bye = (
        f"BYE sip:caller@{CALLER_IP} SIP/2.0",
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n      From[$callee]\n      To[$caller]\n"
        "      [last_Call-ID:]\n      CSeq: 1 BYE",
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="callee">\n'
        + f'<recv request="INVITE"><action>{actions}'
        + '<ereg regexp=".*" search_in="hdr" header="From" assign_to="caller"/>'
        + '<ereg regexp=".*" search_in="hdr" header="To" assign_to="to"/>'
        + '<assignstr assign_to="callee" value="[$to];tag=[pid]-[call_number]"/></action></recv>\n'
        + '<nop next="missing_label" test="missing"/>\n<nop next="busy_label" test="busy"/>\n'
        + _send("SIP/2.0 180 Ringing", _REPLY)
        + '<pause distribution="uniform" min="300" max="1500"/>\n'
        + _send(
            "SIP/2.0 200 OK", _REPLY, f"{answer}      Content-Length: [len]\n\n      {_SDP}", 'retrans="500"'
        )
        + '<recv request="ACK"/>\n'
        + _TALK.format(speech=speech)
        + '<nop next="impatient_label" test="impatient"/>\n<recv request="BYE"/>\n'
        + _QUIET
        + _send("SIP/2.0 200 OK", _REPLY.replace(";tag=[pid]-[call_number]", ""), attributes='next="done"')
        + '<label id="impatient_label"/>\n<pause milliseconds="1000"/>\n'
        + _QUIET
        + _send(*own_bye, attributes='retrans="500"')
        + '<recv response="200" next="done"/>\n'
        + f'<label id="missing_label"/>\n{_send("SIP/2.0 404 Not Found", _REPLY, attributes=_RETRANSMITTED)}{refused}'
        + f'<label id="busy_label"/>\n{_send("SIP/2.0 486 Busy Here", _REPLY, attributes=_RETRANSMITTED)}{refused}'
        + '<label id="done"/>\n<nop/>\n<Reference variables="to"/>\n</scenario>\n'
    )


_RETRANSMITTED = 'retrans="500"'


def write_speech(path: Path) -> None:
    """Write 8 s of A-law: a tone whose loudness moves like syllables do."""
    samples = bytearray()
    for i in range(64_000):
        level = 0.5 + 0.5 * math.sin(2 * math.pi * 3 * i / 8000)
        samples.append(_alaw(int(12_000 * level * math.sin(2 * math.pi * 220 * i / 8000))))
    path.write_bytes(bytes(samples))


def _alaw(sample: int) -> int:
    """Encode one 16-bit sample (ITU-T G.711)."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample) >> 4, 2047)
    exponent = max(0, magnitude.bit_length() - 5)
    mantissa = (magnitude >> max(exponent, 1)) & 0x0F if exponent else magnitude >> 1
    return (sign | exponent << 4 | mantissa) ^ 0x55


@dataclass
class Phones:
    """The two namespaces and what runs in them."""

    folder: Path
    names: tuple[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, namespace: int, *command: object) -> subprocess.Popen[bytes]:
        """Start a program in one of the namespaces."""
        log = (self.folder / f"{len(self.started)}-{Path(str(command[0])).name}.log").open("wb")
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.names[namespace], *map(str, command)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.started.append(process)
        return process

    def answer(self) -> None:
        """Start the callees."""
        scenario = self.folder / "callee.xml"
        scenario.write_text(callee_scenario(self.folder / "speech.alaw"))
        self.run(1, "sipp", "-sf", scenario, "-i", CALLEE_IP, "-mi", CALLEE_IP, "-p", 5060, "-nostdin")

    def call(
        self, name: str, calls: list[tuple[str, str]], per_second: float, *, waits_for_callee: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start callers: one process, one (caller, callee) after the other."""
        scenario, injected = self.folder / f"{name}.xml", self.folder / f"{name}.csv"
        speech = self.folder / "speech.alaw"
        scenario.write_text(caller_scenario(speech, waits_for_callee=waits_for_callee))
        injected.write_text("SEQUENTIAL\n" + "".join(f"{caller};{callee};\n" for caller, callee in calls))
        port = 6000 + 100 * len(self.started)
        period_ms = round(1000 / per_second)
        return self.run(
            *(0, "sipp", f"{CALLEE_IP}:5060", "-sf", scenario, "-inf", injected, "-i", CALLER_IP),
            *("-mi", CALLER_IP, "-p", port, "-m", len(calls), "-r", 1, "-rp", period_ms, "-nostdin"),
            *("-key", "agent", name),
            *("-cid_str", f"%u-{name}@%s"),
        )


@contextmanager
def phones(folder: Path) -> Iterator[Phones]:
    """Make the two namespaces, and remove them with everything in them at the end."""
    made = Phones(folder, (f"callers-{os.getpid()}", f"callees-{os.getpid()}"))
    write_speech(folder / "speech.alaw")
    link = f"veth{os.getpid() % 100_000}"
    try:
        for namespace in made.names:
            _ip("netns", "add", namespace)
        _ip(
            "link",
            "add",
            f"{link}a",
            "netns",
            made.names[0],
            "type",
            "veth",
            "peer",
            f"{link}b",
            "netns",
            made.names[1],
        )
        for namespace, end, address in zip(made.names, "ab", (CALLER_IP, CALLEE_IP), strict=True):
            _ip("-n", namespace, "link", "set", f"{link}{end}", "name", "eth0")
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", namespace, "link", "set", device, "up")
        yield made
    finally:
        for process in reversed(made.started):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in made.started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for namespace in made.names:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


@contextmanager
def recorded(made: Phones, capture: Path) -> Iterator[None]:
    """Record everything that the callees' link carries."""
    # Without immediate mode, tcpdump leaves packets of the last second unread when it is told to end. In that mode
    # each packet takes a slot of the snapshot length: a long one would leave few slots and lose packets.
    options = ("--immediate-mode", "-s", 4096, "-B", 16_384, "-U", "-Z", "root")
    tcpdump = made.run(1, "nice", "-n", "-10", "tcpdump", "-i", "eth0", *options, "-w", capture)
    deadline = time.monotonic() + 10
    while not capture.exists() or capture.stat().st_size < 24:  # the file header: it listens
        if time.monotonic() > deadline or tcpdump.poll() is not None:
            raise RuntimeError("tcpdump did not start")
        time.sleep(0.05)
    try:
        yield
    finally:
        time.sleep(0.5)  # the last packets
        tcpdump.send_signal(signal.SIGINT)
        tcpdump.wait(10)


def missing_tools() -> str:
    """Return what this machine lacks for real calls, "" when it lacks nothing."""
    lacking = [tool for tool in ("ip", "sipp", "tcpdump") if shutil.which(tool) is None]
    if os.geteuid() != 0:
        lacking.append("root")
    return ", ".join(lacking)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
