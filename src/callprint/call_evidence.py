"""The evidence of a call that a store keeps: its packets, and what may leave the house of them.

`pcap_of_call` and `evidence_of_call` give whole files, for commands and for the console's downloads.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from callprint.core.call import CallRecord
from callprint.core.calls.ladder import LadderKeeper, LadderMessage
from callprint.core.ground.errors import CaptureError, StoreError
from callprint.evidence_file import evidence_of, kept_beside
from callprint.sources import open_captures
from callprint.sources.captures import in_memory
from callprint.stores import VerdictStore
from callprint.stores.kept_calls import KEY_VARIABLE, KeptCalls, folder_beside, read_key
from callprint.usual_run import usual_run


def has_kept_packets(store: VerdictStore, record: CallRecord, folder: Path | None = None) -> bool:
    """Return whether packets of a call are kept, in `folder` or beside the store."""
    folder = folder or folder_beside(store)
    return folder is not None and KeptCalls(folder).has(record)


def pcap_of_call(
    store: VerdictStore, record: CallRecord, key_file: str | Path | None = None, folder: Path | None = None
) -> bytes | None:
    """Return the packets of a call that are kept, as pcapng; None where there are none.

    key_file: of the key that they are encrypted with (default: $CALLPRINT_KEY_FILE); folder: where they are, unless
    beside the store. Raises ConfigError when the key is needed and missing, or another one, and StoreError when the
    file is damaged.
    """
    folder = folder or folder_beside(store)
    if folder is None:
        return None
    return KeptCalls(folder).get(record, lambda: read_key(key_file or os.environ.get(KEY_VARIABLE)))


def evidence_of_call(
    store: VerdictStore, record: CallRecord, key_file: str | Path | None = None, folder: Path | None = None
) -> bytes | None:
    """Return the evidence file of a call whose packets are kept (evidence_file.py); None where there are none.

    The arguments and errors are those of `pcap_of_call`.
    """
    capture = pcap_of_call(store, record, key_file, folder)
    return None if capture is None else evidence_of(capture, kept_beside(capture), record)


def messages_in(capture: bytes, record: CallRecord) -> tuple[list[LadderMessage], int]:
    """Return the messages of a call in the packets that are kept of it, and how many more there are.

    Raises StoreError when the capture is damaged.
    """
    keeper = LadderKeeper(lambda call_id: call_id == record.call_id, 1)
    run, calls = usual_run()
    calls.assembler.on_message = keeper.take_message
    run.signalling_ports = kept_beside(capture).ports or run.signalling_ports
    run.on_call = keeper.take_record
    with ExitStack() as stack:
        source = open_captures([in_memory(capture, stack)])
        try:
            for _ in run.process_all(source):
                pass
        except CaptureError as error:
            raise StoreError(f"a kept call cannot be read: {error}") from error
        run.finish()
    found = [(ladder.messages, ladder.left_out) for ladder in keeper.ladders()]
    return found[0] if found else ([], 0)


def packets_in(capture: bytes) -> int:
    """Return how many packets a capture holds."""
    with ExitStack() as stack:
        return sum(len(records) for _, records in open_captures([in_memory(capture, stack)]))
