"""Reports in Markdown that grow section by section."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Report:
    """Markdown text that grows section by section, and the folder of its pictures."""

    path: Path
    text: str = ""

    @property
    def pictures(self) -> Path:
        """Where pictures go."""
        return self.path.parent / "pictures"

    def add(self, paragraph: str) -> None:
        """Append a paragraph."""
        self.text += paragraph.rstrip() + "\n\n"

    def table(self, head: list[str], rows: list[list[str]]) -> None:
        """Append a table."""
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        self.add("\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]))

    def picture(self, name: str, alternative: str) -> Path:
        """Append a picture and return where to draw it."""
        self.add(f"![{alternative}](pictures/{name})")
        return self.pictures / name
