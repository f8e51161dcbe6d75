"""The errors that callprint raises at its boundaries: one documented family, whose messages say what to do."""


class CallprintError(Exception):
    """Base of every error that callprint raises on purpose; the command line shows its text and no traceback."""


class CaptureError(CallprintError):
    """A capture cannot be read, or not any further.

    `offset` is the byte offset of the defect in the (decompressed) stream; everything before it was read.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class ModelError(CallprintError):
    """A model file or its card is missing, damaged or unfit for what was asked of it."""


class ConfigError(CallprintError):
    """A setting is missing, unknown or out of range; the message names its key."""


class DatasetError(CallprintError):
    """A labelled dataset is incomplete or contradicts itself; the message names the file and the line."""


class StoreError(CallprintError):
    """A verdict store cannot be opened, written or queried."""


class RowError(StoreError):
    """A row holds a value that no column of the store can keep: trying again would not help."""


class DecodeError(CallprintError):
    """A record from outside (Kafka, SIP text, votes) does not parse; it is counted and set aside."""


class PrivilegeError(CallprintError):
    """The process lacks a right, for example CAP_NET_RAW; the message says which, and how to grant it."""
