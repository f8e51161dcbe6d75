"""The name of a capture file or interface, as rows, tables and Kafka batches have it."""

from callprint.core.ground.errors import DecodeError

COLUMN = "S128"
"""A column of names in UTF-8, empty where none is known."""
_MOST_BYTES = 128
_CUT = "…"


def capture_name(text: str) -> str:
    """Return a name that cannot harm a terminal or a store, short enough for a column.

    What is not printable is replaced; of a longer name the end is kept, which tells the files of a folder apart.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    data = text.encode()
    if len(data) <= _MOST_BYTES:
        return text
    return _CUT + data[len(_CUT.encode()) - _MOST_BYTES :].decode("utf-8", "ignore")


def encoded(name: str | None) -> bytes:
    """Return a name that `capture_name` gave, or None, for a column."""
    return (name or "").encode()


def decoded(data: bytes) -> str | None:
    """Return the name in a column, None where it is not known. Raises DecodeError for bytes that are no name."""
    try:
        name = data.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("the name of a capture is not UTF-8") from error
    if not name.isprintable():
        raise DecodeError("the name of a capture has characters that are not printable")
    return name or None
