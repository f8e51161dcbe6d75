"""What was wrong with a capture and the times of its packets, in words. Agents say it, too: no terminal is needed."""

from callprint.core.capture.packet_order import OrderCounters


def drop_warnings(dropped: int) -> list[str]:
    """Return a line if the captures themselves say that they have lost packets."""
    if not dropped:
        return []
    return [
        f"by their own statistics the captures have lost packets: {dropped:,}; loss and MOS may be theirs"
    ]


def time_warnings(counters: OrderCounters) -> list[str]:
    """Return a line for each thing that was wrong, none for a capture in order."""
    lines = []
    if counters.set_back:
        times = "" if counters.set_back == 1 else f" {counters.set_back:,} times, in all"
        lines.append(
            f"the capture's clock was set back{times} by {counters.set_back_ns / 1e9:,.1f} s; later times are shifted"
        )
    if counters.begun_anew:
        times = "" if counters.begun_anew == 1 else f" {counters.begun_anew:,} times"
        lines.append(
            f"time went back by more than an hour{times}: an earlier capture was taken to begin there, "
            "and all flows and calls before it to have ended"
        )
    if counters.misdated:
        lines.append(
            f"packets with impossible times: {counters.misdated:,}; they count with those that came before them"
        )
    if counters.late:
        lines.append(
            f"packets out of order by more than the reorder window: {counters.late:,}; "
            "`reordercap` puts a capture in order"
        )
    return lines
