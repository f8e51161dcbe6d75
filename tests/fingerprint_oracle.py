"""The fingerprint as docs/how/fingerprint.md describes it, written from that page alone: slow, literal, an oracle."""

import string
import struct
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

DIGITS = string.digits + string.ascii_lowercase
HEX = set(string.hexdigits)
UNIX_IN_NTP = 2_208_988_800  # seconds from 1900 to 1970


class Seen(NamedTuple):
    """One packet."""

    time_ns: int
    kind: str  # rtp, rtcp, stun or dtls
    data: bytes


def digit(value: int) -> str:
    return DIGITS[min(value, 35)]


def number(value: int) -> str:
    return f"{min(value, 99):02}"


def hash_of(codes: Sequence[int]) -> str:
    state = 0x811C9DC5
    for code in codes:
        for byte in (code >> 8, code & 0xFF):
            state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{state >> 24 ^ state & 0xFFFFFF:06x}"


def fingerprint(packets: Sequence[Seen]) -> str:
    rtp = [each for each in packets if each.kind == "rtp"]
    by_kind = {kind: [each for each in packets if each.kind == kind] for kind in ("stun", "rtcp", "dtls")}
    parts = (
        stun(by_kind["stun"][0].data) if by_kind["stun"] else "-",
        media([each.data for each in rtp[:10]]),
        reports(by_kind["rtcp"][:32], rtp[0].time_ns),
        hello(by_kind["dtls"][0].data[:255]) if by_kind["dtls"] else "-",
    )
    return "_".join(("mf1", *parts))


def stun(data: bytes) -> str:
    if len(data) < 20:
        return "-"
    codes, at = [], 20
    while at + 4 <= len(data):
        code, length = struct.unpack_from("!HH", data, at)
        codes.append(code)
        at += 4 + (length + 3) // 4 * 4
    software = "w" if 0x8022 in codes else "n"
    codes = [0x8029 if code == 0x802A else code for code in codes if code != 0x0025]
    return number(len(codes)) + hash_of(codes) + software


def media(packets: Sequence[bytes]) -> str:
    sequence = [struct.unpack_from("!H", each, 2)[0] for each in packets]
    times = [struct.unpack_from("!I", each, 4)[0] for each in packets]
    ssrc = struct.unpack_from("!I", packets[0], 8)[0]
    marker = [each[1] >> 7 for each in packets]
    return "".join(
        (
            "0" if sequence[0] < 256 else "r",
            timestamp(sequence, times),
            "l" if ssrc < 65536 else "h" if ssrc & 0xFFFF == 0 else "r",
            "a"
            if all(marker) and len(marker) >= 3
            else "f"
            if marker[0]
            else "s"
            if len(marker) > 1 and marker[1]
            else "n",
            "p" if any(each[0] & 0x20 for each in packets) else "n",
            "c" if any(each[0] & 0x0F for each in packets) else "n",
            extension(packets),
        )
    )


def timestamp(sequence: Sequence[int], times: Sequence[int]) -> str:
    if times[0] == 0:
        return "0"
    steps = Counter(
        (times[i + 1] - times[i]) % 2**32
        for i in range(len(times) - 1)
        if sequence[i + 1] == (sequence[i] + 1) % 2**16 and 0 < (times[i + 1] - times[i]) % 2**32 < 2**31
    )
    if steps:
        step = steps.most_common(1)[0][0]
        difference = times[0] - sequence[0] * step
        if abs(difference) <= step:
            return "q"
    return "l" if times[0] < 65536 else "r"


def extension(packets: Sequence[bytes]) -> str:
    found = next((each for each in map(profile_and_body, packets) if each), None)
    if found is None:
        return "n"
    profile, body = found
    if profile == 0xBEDE:
        return "1" + "".join(map(digit, one_byte(body)[:8]))
    if profile >> 4 == 0x100:
        return "2" + "".join(map(digit, two_byte(body)[:8]))
    return f"x{profile:04x}"


def profile_and_body(packet: bytes) -> tuple[int, bytes] | None:
    at = 12 + 4 * (packet[0] & 0x0F)
    if not packet[0] & 0x10 or at + 4 > len(packet):
        return None
    profile, words = struct.unpack_from("!HH", packet, at)
    body = packet[at + 4 : at + 4 + 4 * words]
    return (profile, body) if len(body) == 4 * words else None


def one_byte(body: bytes) -> list[int]:
    found, at = [], 0
    while at < len(body):
        if body[at] == 0:
            at += 1
            continue
        length = (body[at] & 0x0F) + 1
        if at + 1 + length > len(body):
            break
        found.append(length)
        at += 1 + length
    return found


def two_byte(body: bytes) -> list[int]:
    found, at = [], 0
    while at < len(body):
        if body[at] == 0:
            at += 1
            continue
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            break
        found.append(body[at + 1])
        at += 2 + body[at + 1]
    return found


def compound(data: bytes) -> list[bytes] | None:
    """Return the RTCP packets of a datagram; None unless it parses exactly to its end."""
    parts, at = [], 0
    while at < len(data):
        if at + 4 > len(data) or data[at] >> 6 != 2 or not 192 <= data[at + 1] <= 223:
            return None
        size = 4 * (struct.unpack_from("!H", data, at + 2)[0] + 1)
        if at + size > len(data):
            return None
        parts.append(data[at : at + size])
        at += size
    return parts


def letter(part: bytes) -> str:
    if part[1] == 200:
        early = len(part) >= 28 and struct.unpack_from("!I", part, 8)[0] < UNIX_IN_NTP
        return "S" if early else "s"
    return {201: "r", 202: "d", 203: "b", 204: "a", 205: "f", 206: "f", 207: "x"}.get(part[1], "o")


def reports(packets: Sequence[Seen], begin_ns: int) -> str:
    own = [each for each in packets if each.data[1] not in (205, 206)]
    if not own:
        return "-"
    first = own[0]
    parts = compound(first.data)
    when = "b" if first.time_ns < begin_ns else "i" if first.time_ns - begin_ns <= 500_000_000 else "l"
    if parts is not None:
        order = "".join(map(letter, parts[:6]))
    else:
        order = (letter(first.data[:4]) if when == "b" else "") + "~"
    text = f"{when}.{order}"
    for each in own:
        for part in compound(each.data) or ():
            if part[1] == 202 and part[0] & 0x1F and len(part) >= 8:
                items = chunk(part)[:6]
                text += "." + "".join(digit(kind) for kind, _ in items)
                name = next((value for kind, value in items if kind == 1), None)
                return text if name is None else f"{text}.{shape(name)}"
    return text


def chunk(part: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 8
    while at + 2 <= len(part) and part[at] and at + 2 + part[at + 1] <= len(part):
        found.append((part[at], part[at + 2 : at + 2 + part[at + 1]]))
        at += 2 + part[at + 1]
    return found


def shape(name: bytes) -> str:
    text = name.decode("latin-1")
    if not text:
        return "e"
    if "@" in text:
        host = text.rpartition("@")[2]
        ipv4 = bool(host) and set(host) <= set(string.digits + ".")
        ipv6 = set(host) <= HEX | {".", ":"} and host.count(":") >= 2
        return "i" if ipv4 or ipv6 else "@"
    dashes = text.count("-")
    if len(text) == 36 and dashes == 4 and set(text) <= HEX | {"-"}:
        return "u"
    for kind, allowed in (
        ("d", set(string.digits)),
        ("h", HEX),
        ("a", set(string.ascii_letters + string.digits)),
    ):
        if set(text) <= allowed:
            return kind + number(len(text))
    return "t" + number(len(text))


def codes_in(data: bytes) -> list[int]:
    """Return codes of 16 bits; a byte that is left over does not count."""
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data) - 1, 2)]


def grease(code: int) -> bool:
    return code & 0x0F0F == 0x0A0A and code >> 8 == code & 0xFF


def hello(data: bytes) -> str:
    if len(data) < 60:
        return "-"
    kind = data[13]
    if int.from_bytes(data[19:22], "big"):
        return "-"
    size, fragment = int.from_bytes(data[14:17], "big"), int.from_bytes(data[22:25], "big")
    whole = fragment == size and 25 + fragment <= len(data)
    body = data[: 25 + fragment]
    version = number(10 + 255 - data[26])
    at = 25 + 34
    at += 1 + data[at]  # session id
    suites: list[int] = []
    if kind == 2:
        at += 3
    else:
        at += 1 + (body[at] if at < len(body) else -1)  # cookie
        if at + 2 <= len(body):
            length = int.from_bytes(body[at : at + 2], "big")
            suites = codes_in(body[at + 2 : at + 2 + length])
            at += 2 + length
        at += 1 + (body[at] if at < len(body) else -1)  # compression methods
    extensions: list[int] = []
    profiles: list[int] = []
    at += 2
    while at + 4 <= len(body):
        code, length = struct.unpack_from("!HH", body, at)
        value = body[at + 4 : at + 4 + length]
        extensions.append(code)
        if code == 43 and b"\xfe\xfc" in value:
            version = "13"
        if code == 14 and at + 6 <= len(body):
            profiles = codes_in(value[2 : 2 + int.from_bytes(body[at + 4 : at + 6], "big")])[:8]
        at += 4 + length
    suites = [each for each in suites if not grease(each)]
    extensions = [each for each in extensions if not grease(each)]
    letters = "s" if kind == 2 else "c"
    counts = number(len(suites)) + number(len(extensions))
    tail = "".join(map(digit, profiles)) + ("" if whole else "~")
    return f"{letters}{version}.{counts}.{hash_of(suites)}.{hash_of(extensions)}.{tail}"
