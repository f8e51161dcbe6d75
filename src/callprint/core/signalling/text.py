"""Small rules that several SIP headers share: quoted strings, lists, parameters, printable text."""

from hashlib import sha256

MAXIMUM_TEXT = 256
"""Longest text, in characters, that is kept of anything from outside (identities, user agents, tags)."""
MAXIMUM_IDENTIFIER = 1024
"""Longest Call-ID, tag or branch, in characters, that is kept as it is; RFC 3261 25.1 sets no limit."""
MAXIMUM_VALUES = 256
"""Most values or parameters that are read from one header."""


def printable(text: str, limit: int = MAXIMUM_TEXT) -> str:
    """Return text that cannot harm a terminal, log or table: control characters escaped, length bounded."""
    if len(text) > limit:
        text = text[:limit]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def identifier(text: str) -> str:
    """Return a Call-ID, tag or branch in printable and bounded form: of a longer one, its start and its digest.

    So two long identifiers with the same start stay two, in bounded memory.
    """
    if len(text) <= MAXIMUM_TEXT:
        return text if text.isprintable() else printable(text)  # as released versions kept it
    if len(text) > MAXIMUM_IDENTIFIER:
        digest = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]
        text = f"{text[:MAXIMUM_TEXT]}~{digest}"
    return printable(text, MAXIMUM_IDENTIFIER)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside quoted strings and angle brackets (RFC 3261 7.3.1, 25.1).

    An unterminated quote or bracket reaches to the end of the text. What follows MAXIMUM_VALUES pieces is passed over.
    """
    if separator not in text:
        return [text]
    if '"' not in text and "<" not in text:
        pieces = text.split(separator, MAXIMUM_VALUES)
    else:
        pieces = []
        start = 0
        quoted = escaped = False
        depth = 0
        for at, c in enumerate(text):
            if escaped:
                escaped = False
            elif quoted:
                escaped = c == "\\"
                quoted = c != '"'
            elif c == '"':
                quoted = True
            elif c == "<":
                depth = 1
            elif c == ">":
                depth = 0
            elif c == separator and depth == 0:
                pieces.append(text[start:at])
                start = at + 1
        pieces.append(text[start:])
    return pieces[:MAXIMUM_VALUES]


def unquote(text: str) -> str:
    """Return the content of a quoted string; text that is not quoted is returned without outer blanks."""
    text = text.strip()
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    out = []
    escaped = False
    for c in inner:
        if escaped or c != "\\":
            out.append(c)
            escaped = False
        else:
            escaped = True
    return "".join(out)


def parameters(text: str) -> dict[str, str]:
    """Return `;name=value;flag` as a mapping of lower-case names; the first of two equal names counts."""
    found: dict[str, str] = {}
    for piece in split_outside(text, ";"):
        name, _, value = piece.partition("=")
        name = name.strip().lower()
        if name:
            found.setdefault(name, unquote(value))
    return found
