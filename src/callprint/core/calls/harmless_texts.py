"""What may stay of texts that strangers wrote: words that are in a list, and versions that are no address or number."""

import re

from callprint.core.declared.table import NameTable
from callprint.core.verdict import SIP

_LONGEST_AGENT = 128
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,2}(?![0-9.])", re.ASCII)
_CODECS = frozenset(
    (
        *(
            "pcmu",
            "pcma",
            "gsm",
            "gsm-efr",
            "g722",
            "g7221",
            "g719",
            "g723",
            "g728",
            "g729",
            "g729a",
            "g729d",
            "g729e",
        ),
        *("g726-16", "g726-24", "g726-32", "g726-40", "aal2-g726-16", "aal2-g726-24", "aal2-g726-32"),
        *(
            "aal2-g726-40",
            "g711-0",
            "g7291",
            "dvi4",
            "l8",
            "l16",
            "l24",
            "lpc",
            "qcelp",
            "ilbc",
            "isac",
            "silk",
        ),
        *(
            "speex",
            "opus",
            "multiopus",
            "evs",
            "amr",
            "amr-wb",
            "amr-wb+",
            "evrc",
            "evrc0",
            "evrcb",
            "evrcwb",
            "vmr-wb",
        ),
        *(
            "bv16",
            "bv32",
            "codec2",
            "lyra",
            "siren7",
            "siren14",
            "ac3",
            "mpa",
            "mp4a-latm",
            "mpeg4-generic",
            "x-ulpfecuc",
        ),
        *(
            "telephone-event",
            "tone",
            "cn",
            "red",
            "rtx",
            "ulpfec",
            "flexfec",
            "flexfec-03",
            "clearmode",
            "t38",
            "t140",
        ),
        *(
            "h261",
            "h263",
            "h263-1998",
            "h263-2000",
            "h264",
            "h264-svc",
            "h265",
            "vp8",
            "vp9",
            "av1",
            "mp4v-es",
            "jpeg",
        ),
    )
)
_PROTOCOLS = frozenset(
    (
        *("rtp/avp", "rtp/savp", "rtp/avpf", "rtp/savpf", "udp/tls/rtp/savp", "udp/tls/rtp/savpf"),
        *(
            "tcp/rtp/avp",
            "tcp/rtp/savp",
            "tcp/rtp/avpf",
            "tcp/tls/rtp/savp",
            "tcp/tls/rtp/savpf",
            "tcp/dtls/rtp/savpf",
        ),
        *(
            "udptl",
            "udp/tls/udptl",
            "udp/dtls/sctp",
            "tcp/dtls/sctp",
            "dtls/sctp",
            "sctp/dtls",
            "udp",
            "tcp",
            "vat",
        ),
    )
)
_FORMATS = frozenset(("t38", "webrtc-datachannel", "*"))
OTHER = "unknown"


def version_alone(text: str) -> str:
    """Return a version of at most three numbers of four digits, without what follows; "" for anything else.

    Four numbers may be an address, and letters and long numbers those of a device.
    """
    found = _VERSION.match(text)
    return found[0] if found else ""


def agent_alone(text: str, table: NameTable) -> str:
    """Return what the table knows in a program's name, and its version; "" for a name that it does not know.

    What stands before, between and after comes from whoever named the device: "Anna's phone", a MAC address.
    """
    text = text[:_LONGEST_AGENT]
    declared = table.declared(text, SIP) if text and table else None
    if declared is None:
        return ""

    def says_it(part: str) -> bool:
        said = table.declared(part, SIP)
        return said is not None and said.application == declared.application

    short = next((text[:end] for end in range(1, len(text) + 1) if says_it(text[:end])), "")
    short = next((short[at:] for at in range(len(short) - 1, -1, -1) if says_it(short[at:])), "")
    if not (short and short.isascii() and short.isprintable()):
        return ""
    version = version_alone(declared.version or "")
    whole = f"{short}/{version}" if version else short
    return whole if says_it(whole) else short


def codec_alone(name: str) -> str:
    """Return the name of a codec that is one."""
    return name if name.lower() in _CODECS else OTHER


def protocol_alone(name: str) -> str:
    """Return the protocol of a medium if it is one; RTP/AVP for others."""
    return name if name.lower() in _PROTOCOLS else "RTP/AVP"


def formats_alone(names: tuple[str, ...]) -> list[str]:
    """Return the formats of a medium that are payload types, or words that are in use."""
    return [name for name in names if name in _FORMATS or _is_payload_type(name)]


def _is_payload_type(name: str) -> bool:
    return re.fullmatch(r"\d{1,3}", name, re.ASCII) is not None and int(name) < 128
