"""A new network beside another one, and in its place if it is no worse: for `callprint evaluate`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from callprint.cli import EXIT_ERROR
from callprint.core.ground.errors import ConfigError
from callprint.core.identify.card import INPUT_FEATURES
from callprint.inference import load_model
from callprint.network_in_place import put_in_place
from callprint.output.console import make_console, make_table, printable
from callprint.training.classes import TRAINING_SPLITS
from callprint.training.compare import Answers, Compared, compare
from callprint.training.dataset import Dataset
from callprint.training.exemplars import exemplars_path, load_exemplars
from callprint.training.held_out import with_held_out


def replace_or_refuse(dataset: Dataset, model: Path, against: Path, place: bool, messages: Console) -> int:
    """Compare two networks, print how, put the new one in place if asked; return the exit code.

    Raises ConfigError when there is nothing to compare them on, and ModelError.
    """
    before, after = load_model(against), load_model(model)
    beside = exemplars_path(against)
    exemplars = load_exemplars(beside, before.card) if beside.exists() else None
    if exemplars is not None and after.card.input.kind != INPUT_FEATURES:
        exemplars = None
        unseen = f"{printable(after.name)} does not read features, which {printable(str(beside))} holds"
    else:
        unseen = f"{printable(str(beside))} is missing"
    examined = with_held_out(dataset)
    found = list(compare(before, after, examined, exemplars))
    if not any(each.is_new for each in found):
        raise ConfigError(
            "the dataset has no call that is for testing: nothing says whether the network is any good"
        )
    _print(found, before.name, after.name)
    tested = set(examined.application[~np.isin(examined.split, TRAINING_SPLITS)].tolist())
    if unexamined := sorted(set(after.applications) - set(before.applications) - tested):
        names = printable(", ".join(unexamined))
        messages.print(Text(f"no call for testing is of {names}: nothing says how well it is known"))
    if exemplars is None:
        messages.print(Text(f"{unseen}: what is forgotten cannot be seen"))
    worse = [each for each in found if each.is_worse]
    if worse:
        parts = ", ".join(dict.fromkeys(f"{each.calls}, {each.seen}" for each in worse))
        messages.print(
            Text(f"{printable(after.name)} is worse than {printable(before.name)} on {printable(parts)}")
        )
        return EXIT_ERROR
    if place:
        put_in_place(model)
        messages.print(
            Text(
                f"{printable(str(model))} is in place; `callprint models --roll-back` puts the one before back"
            )
        )
    return 0


def _print(found: Sequence[Compared], before: str, after: str) -> None:
    table = make_table()
    table.add_column("calls of")
    table.add_column("seen")
    for heading in ("flows", "right", "sure", "sure and wrong", "worth a flow"):
        table.add_column(heading, justify="right")
    for each in found:
        pairs = [
            (f"{one:{form}} → {other:{form}}")
            for one, other, form in zip(
                _figures(each.before), _figures(each.after), (".1%", ".1%", ",", ".2f"), strict=True
            )
        ]
        table.add_row(printable(each.calls), each.seen, f"{len(each.before.right):,}", *pairs)
    console = make_console(data_on_stdout=False)
    console.print(Text(f"{printable(before)} → {printable(after)}"))
    console.print(table)


def _figures(answers: Answers) -> tuple[float, float, int, float]:
    return (
        float(answers.right.mean()),
        float(answers.sure.mean()),
        int(answers.sure_and_wrong.sum()),
        answers.worth,
    )
