"""Applications that a network has never seen are learned from calls whose signalling is clear, and then looked for.

The captures of dataset1 play an operator's own site: `callprint dataset label` takes what their signalling and RTCP
declare, not flows.csv. A third of the applications that it finds are left out of a network, which then learns each of
them by `callprint train --add`. The calls of dataset2 and cross, of other subscribers, are looked at without
signalling.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from callprint.core.ground.errors import CaptureError
from callprint.core.identify.decision import SURE
from callprint.inference import OnnxIdentifier, load_model
from callprint.recording.site_dataset import capture_candidates, write_site_dataset
from callprint.recording.site_labels import choose
from callprint.training.added import add_to_model
from callprint.training.dataset import LABEL_FILE, Dataset, build_dataset, without_applications
from callprint.training.examine import examine_view
from callprint.training.exemplars import exemplars_path, load_exemplars
from callprint.training.loaded import load_network
from callprint.training.make_exemplars import write_exemplars
from callprint.training.models import make_compact_model
from callprint.training.sampling import EARLY, FINAL, MIDFLOW
from callprint.training.settings import ADD_SETTINGS, TrainingSettings

SITE = "dataset1"  # whose captures play the site
OTHERS = ("dataset2", "cross")  # calls of others
ROUNDS = 3
BASE = TrainingSettings(epochs=8, members=2)
"""Networks that applications are left out of are trained quickly."""
VIEWS = (EARLY, FINAL, MIDFLOW)

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Count:
    """What a network makes of some flows, in one view."""

    flows: int = 0
    right: int = 0
    sure: int = 0
    sure_right: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(*(one + two for one, two in zip(_numbers(self), _numbers(other), strict=True)))


def _numbers(count: Count) -> tuple[int, ...]:
    return count.flows, count.right, count.sure, count.sure_right


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of adding an application to a network, by view: of its own flows, those known before, strangers'."""

    application: str
    base: str  # name and version of the network
    flows: int  # that it learned from
    calls: int
    processor_s: float
    own: dict[str, Count]
    own_encrypted: dict[str, Count]  # of these the flows whose media are encrypted
    own_before: dict[str, Count]
    known: dict[str, Count]
    known_before: dict[str, Count]
    strangers: dict[str, Count]  # applications that are left out as well and were not added
    strangers_before: dict[str, Count]


def site_of(data: Path, cache: Path, said: Said) -> Dataset:
    """Return the labelled flows of the site, made by `callprint dataset label` from captures alone."""
    folder = cache / "site"
    if not (folder / LABEL_FILE).exists():
        said("labelling the captures of the site")
        captures = sorted((data / SITE).glob("*.pcap*"))
        refused: list[CaptureError] = []
        # Each alone: they are of other days and laboratories at the same addresses.
        found = [each for path in captures for each in capture_candidates([path], refused.append)]
        if refused:
            raise refused[0]
        taken, _left_out = choose(found)
        write_site_dataset(folder, taken)
    return build_dataset(folder)[0]


def measure(data: Path, dataset: Dataset, shipped: Path, cache: Path, said: Said) -> list[Learned]:
    """Add every application of the site to a network that does not know it; what `cache` has is not repeated."""
    cache.mkdir(parents=True, exist_ok=True)
    site = site_of(data, cache, said)
    names = sorted(set(map(str, site.application)) & set(map(str, dataset.application)))
    found = []
    for i in range(ROUNDS):
        hidden = names[i::ROUNDS]
        base = cache / f"without-{i}.onnx"
        if not base.with_suffix(".json").exists() or not exemplars_path(base).exists():
            said(f"training without {', '.join(hidden)}")
            known = without_applications(dataset, hidden)
            make_compact_model(known, base, BASE, version="1", name=base.stem)
            write_exemplars(known, base)
        found += [_learned(dataset, site, name, hidden, base, cache, said) for name in hidden]
    unknown = [name for name in names if name not in load_model(shipped).applications]
    found += [_learned(dataset, site, name, unknown, shipped, cache, said) for name in unknown]
    return found


def kept_so_far(cache: Path) -> list[Learned]:
    """Return what a run that was interrupted has left."""
    return [
        read_learned(json.loads(path.read_text("utf-8"))) for path in sorted(cache.glob("learned-*.json"))
    ]


def _learned(
    dataset: Dataset, site: Dataset, name: str, hidden: list[str], base: Path, cache: Path, said: Said
) -> Learned:
    kept = cache / f"learned-{base.stem}-{name}.json"
    if kept.exists():
        return read_learned(json.loads(kept.read_text("utf-8")))
    said(f"adding {name} to {base.stem}")
    out = cache / f"{base.stem}-{name}.onnx"
    loaded = load_network(base)
    own = without_applications(site, sorted(set(map(str, site.application)) - {name}))
    begun = time.process_time()
    card = add_to_model(
        loaded,
        load_exemplars(exemplars_path(base), loaded.card),
        own,
        out,
        ADD_SETTINGS,
        version="1",
        name=out.stem,
    )
    took = time.process_time() - begun
    before, after = loaded.identifier, load_model(out)
    flows = np.concatenate([dataset.of_split(split) for split in OTHERS])
    is_own = dataset.application[flows] == name
    is_known = np.isin(dataset.application[flows], before.applications)
    is_stranger = np.isin(dataset.application[flows], sorted(set(hidden) - {name}))
    encrypted = is_own & (dataset.encrypted[flows] == "1")

    def counted(identifier: OnnxIdentifier, chosen: np.ndarray) -> dict[str, Count]:
        return dict(_counts(dataset, identifier, flows[chosen]))

    learned = Learned(
        application=name,
        base=loaded.identifier.name,
        flows=int(card.training["flows"]),
        calls=int(card.training["calls"]),
        processor_s=round(took, 1),
        own=counted(after, is_own),
        own_encrypted=counted(after, encrypted),
        own_before=counted(before, is_own),
        known=counted(after, is_known),
        known_before=counted(before, is_known),
        strangers=counted(after, is_stranger),
        strangers_before=counted(before, is_stranger),
    )
    kept.write_text(json.dumps(asdict(learned)), "utf-8")
    return learned


def _counts(dataset: Dataset, identifier: OnnxIdentifier, flows: np.ndarray) -> Iterator[tuple[str, Count]]:
    for view in VIEWS:
        if not len(flows):
            yield view.name, Count()
            continue
        found = examine_view(dataset, identifier, flows, view)
        right, sure = found.right, found.decisions.reason == SURE
        yield view.name, Count(len(right), int(right.sum()), int(sure.sum()), int((right & sure).sum()))


def read_learned(table: dict[str, object]) -> Learned:
    """Return what `asdict` made a table of."""
    return Learned(
        **{
            field: {view: Count(**count) for view, count in value.items()}
            if isinstance(value, dict)
            else value
            for field, value in table.items()
        }
    )
