"""The progress bar of a capture: bytes, packets, packets per second, flows. Only a terminal sees it."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn


class CaptureProgress:
    """Shows how much has been read, as a context manager; shows nothing where there is no terminal."""

    def __init__(self, console: Console, total_bytes: int | None) -> None:
        """`total_bytes` is the size of all captures; None for a stream or a live interface."""
        counts = TextColumn("{task.fields[counts]}")
        # A percentage needs a total; without one the bar only shows activity.
        share = [] if total_bytes is None else [TaskProgressColumn()]
        columns: list[ProgressColumn] = [
            BarColumn(bar_width=12),
            *share,
            DownloadColumn(binary_units=True),
            counts,
        ]
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=total_bytes, counts="")

    def update(self, read_bytes: int, packets: int, flows: int) -> None:
        """Show how much has been read since the beginning."""
        elapsed_s = self._progress.tasks[0].elapsed or 0.0
        rate = packets / elapsed_s if elapsed_s > 0 else 0.0
        counts = f"{packets:,} packets · {_short(rate)}/s · {flows:,} flows"
        self._progress.update(self._task, completed=read_bytes, counts=counts)

    def __enter__(self) -> Self:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Draw the final state and move on to the next line."""
        self._progress.stop()


def _short(number: float) -> str:
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"
