"""How the commands that work for minutes to hours show where they are."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress


@contextlib.contextmanager
def shown_stages(console: Console) -> Iterator[Callable[[str], None]]:
    """Give a function that shows the stage it is told: in place on a terminal, else a line for each stage."""
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def show(stage: str) -> None:
            progress.update(task, description=stage)
            if not console.is_terminal:
                console.print(stage, highlight=False)

        yield show
