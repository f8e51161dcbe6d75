"""The compact network: an ensemble of small networks over evidence features, one ONNX graph."""

import torch
from torch import nn

from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS, group_columns

CLIP = 4.0  # standard deviations: how far beyond a value lies says nothing more
LEAST_LENGTH = 1e-9  # of hidden layers, all of whose units may be zero

GROUP_DROPOUT = {
    "start": 0.2,
    "header": 0.08,
    "type": 0.4,
    "extension": 0.15,
    "timestamps": 0.12,
    "sizes": 0.16,
    "arrival": 0.16,
    "payload": 0.16,
    "rtcp": 0.16,
    "clear": 0.16,
    "stun": 0.25,
    "dtls": 0.25,
}
"""How often a training row loses a whole group of features: most often where the peer decides their values."""


class Perceptron(nn.Sequential):
    """Two hidden layers with dropout."""

    def __init__(self, columns: int, hidden: tuple[int, int], classes: int, dropout: float) -> None:
        """`hidden`: units of the layers between `columns` inputs and `classes` scores."""
        super().__init__(
            nn.Linear(columns, hidden[0]),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden[0], hidden[1]),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden[1], classes),
        )

    def last_hidden(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the layer before the scores (n, hidden units)."""
        for layer in list(self)[:-1]:
            rows = layer(rows)
        return rows


class Member(nn.Module):
    """One network of the ensemble: what each group of features says by itself, plus what they say together.

    The sum over groups is there for what training has not seen: an application with a codec that it did not
    use in the training calls still has its pacing, its headers and its RTCP, and the network knows each of them.
    """

    def __init__(
        self, classes: int, hidden: tuple[int, int], group_hidden: tuple[int, int], dropout: float
    ) -> None:
        """`hidden`, `group_hidden`: units of the joint and of each group's perceptron."""
        super().__init__()
        self.joint = Perceptron(len(FEATURE_NAMES), hidden, classes, dropout)
        self.groups = nn.ModuleList(
            Perceptron(len(names), group_hidden, classes, dropout) for names in GROUPS.values()
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes)."""
        scores: torch.Tensor = self.joint(rows)
        for group, part in zip(GROUPS, self.groups, strict=True):
            scores = scores + part(rows[:, group_columns(group)])
        return scores


class CompactNetwork(nn.Module):
    """Feature rows (n, F) float32 -> logits (n, classes); scaling is part of the graph."""

    def __init__(
        self,
        mean: torch.Tensor,
        deviation: torch.Tensor,
        classes: int,
        members: int = 2,
        hidden: tuple[int, int] = (192, 96),
        group_hidden: tuple[int, int] = (48, 48),
        dropout: float = 0.2,
    ) -> None:
        """`mean`, `deviation`: (F,) float32 of the training rows."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.classes = classes
        self.members = nn.ModuleList(Member(classes, hidden, group_hidden, dropout) for _ in range(members))

    def scale(self, rows: torch.Tensor) -> torch.Tensor:
        """Return standardised rows within CLIP."""
        return ((rows - self.mean) / self.deviation).clamp(-CLIP, CLIP)

    def hidden(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return the last hidden layers of the joint perceptrons side by side, of unit length; scaled: (n, F)."""
        layers = torch.cat([member.joint.last_hidden(scaled) for member in self.members], 1)
        return layers / layers.norm(dim=1, keepdim=True).clamp_min(LEAST_LENGTH)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the members' mean logits."""
        scaled = self.scale(rows)
        return torch.stack([member(scaled) for member in self.members]).mean(0)

    def training_loss(self, scaled: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of the members, each with feature groups of its own dropped; scaled (n, F)."""
        losses = []
        for member in self.members:
            rows = scaled.clone()
            for group in GROUPS:
                drop = torch.rand(len(rows), 1, device=rows.device) < GROUP_DROPOUT[group]
                columns = group_columns(group)
                rows[:, columns] = rows[:, columns].masked_fill(drop, 0.0)
            loss = nn.functional.cross_entropy(member(rows), target, reduction="none", label_smoothing=0.03)
            losses.append((loss * weight).mean())
        return torch.stack(losses).mean()
