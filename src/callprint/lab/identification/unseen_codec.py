"""Applications with a codec that they did not use in training: each codec of each application is left out once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from callprint.training.classes import TRAINING_SPLIT, classes_of
from callprint.training.dataset import Dataset
from callprint.training.sampling import FINAL, view_rows
from callprint.training.settings import TrainingSettings
from callprint.training.train import logits_of, train_network


@dataclass(frozen=True, slots=True)
class UnseenCodec:
    """Flows named right, with their application's codec in the training data and without it."""

    flows: int
    seen: int
    unseen: int


def codec_rounds(dataset: Dataset, flows: np.ndarray) -> list[set[tuple[str, str]]]:
    """Return (application, codec) pairs to leave out together: in each round one of every application that has two."""
    rounds: list[set[tuple[str, str]]] = []
    for application in np.unique(dataset.application[flows]):
        codecs = Counter(
            map(str, dataset.codec[flows[dataset.application[flows] == application]])
        ).most_common()
        if len(codecs) > 1:
            for i, (codec, _) in enumerate(codecs):
                if i == len(rounds):
                    rounds.append(set())
                rounds[i].add((str(application), codec))
    return rounds


def examine_unseen_codecs(
    dataset: Dataset,
    splits: list[str],
    settings: TrainingSettings,
    most_rounds: int,
    on_round: Callable[[int, int], None],
) -> dict[str, UnseenCodec]:
    """Train once with everything and once for each round; return the splits' flows named right, by split.

    A flow counts in the round that leaves its application's codec out. `on_round(done, all)` is called after each.
    """
    flows = dataset.of_split(TRAINING_SPLIT)
    classes, _, target = classes_of(dataset, flows)
    rows = {split: view_rows(dataset, dataset.of_split(split), FINAL) for split in splits}
    everything = train_network(dataset, flows, target, len(classes), settings)
    named = {split: logits_of(everything, rows[split].features).argmax(1) for split in splits}
    counts = {split: [0, 0, 0] for split in splits}
    rounds = codec_rounds(dataset, flows)[:most_rounds]
    pairs = np.array([f"{a}\0{c}" for a, c in zip(dataset.application, dataset.codec, strict=True)])
    for done, left_out in enumerate(rounds):
        hidden = np.isin(pairs, [f"{application}\0{codec}" for application, codec in left_out])
        network = train_network(dataset, flows[~hidden[flows]], target, len(classes), settings)
        for split in splits:
            asked = hidden[rows[split].flow]
            if asked.any():
                wanted = target[rows[split].flow[asked]]
                without = logits_of(network, rows[split].features[asked]).argmax(1)
                counts[split][0] += int(asked.sum())
                counts[split][1] += int((named[split][asked] == wanted).sum())
                counts[split][2] += int((without == wanted).sum())
        on_round(done + 1, len(rounds))
    return {split: UnseenCodec(*counts[split]) for split in splits}
