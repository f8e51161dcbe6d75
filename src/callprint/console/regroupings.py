"""The splits and merges that analysts made, in a file beside the users."""

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.ground.errors import ConfigError
from callprint.whole_files import write_whole

if TYPE_CHECKING:
    from callprint.unknowns.regroup import Step

MOST_STEPS = 500  # beyond that the oldest go


class Regroupings:
    """The steps in one file, the first one first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def steps(self) -> "tuple[Step, ...]":
        """Return the steps. Raises ConfigError when the file is damaged."""
        from callprint.unknowns.regroup import MERGE, SPLIT, Step  # noqa: PLC0415 - extra `spit`

        try:
            rows = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return ()
        except (ValueError, OSError) as error:
            raise ConfigError(f"{self.path} holds no regroupings: {error}") from error
        steps = []
        for row in rows if isinstance(rows, list) else [None]:
            match row:
                case [str(kind), *clusters] if kind in (SPLIT, MERGE) and clusters:
                    steps.append(Step(kind, tuple(map(str, clusters))))
                case _:
                    raise ConfigError(f"{self.path} holds no regroupings")
        return tuple(steps)

    def add(self, step: "Step") -> None:
        """Add a step. Raises ConfigError."""
        with self._lock:
            self._write((*self.steps(), step)[-MOST_STEPS:])

    def undo(self) -> bool:
        """Take the last step back; False: there is none. Raises ConfigError."""
        with self._lock:
            steps = self.steps()
            if steps:
                self._write(steps[:-1])
            return bool(steps)

    def _write(self, steps: "tuple[Step, ...]") -> None:
        write_whole(self.path, json.dumps([[step.kind, *step.clusters] for step in steps]))
