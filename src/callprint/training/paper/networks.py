"""The paper's networks over k-matrices: modified AlexNet, and the CNN and GoogLeNet that it was compared with.

All take (n, 1, k, 256) float32 in [0, 1]. Each is three parts in a row: `convolutions` (image in, image out),
`deep` (flattened image in, deep features out: what the heads see) and `last` (features in, logits out).
"""

from collections import OrderedDict

import torch
from torch import nn

from callprint.core.identify.card import MATRIX_COLUMNS
from callprint.training.paper.convolution import KERNEL, MARGIN, Convolution
from callprint.training.paper.dropout import Dropout

ALEXNET = "AlexNet"
CNN = "CNN"
GOOGLENET = "GoogLeNet"

ALEXNET_CHANNELS = (64, 96, 96, 64, 64)  # ours: the paper gives none, these fit its Table II
ALEXNET_UNITS = (4096, 1024)
DROPOUT = 0.5  # the paper, section VI-B: in each of the first seven layers


class PaperNetwork(nn.Module):
    """Convolutions, then deep features, then scores; without softmax, which belongs to the loss."""

    def __init__(self, kind: str, k: int, convolutions: nn.Module, deep: nn.Module, last: nn.Linear) -> None:
        """`kind`: ALEXNET, CNN or GOOGLENET; the parts must fit each other."""
        super().__init__()
        self.kind = kind
        self.k = k
        self.convolutions = convolutions
        self.deep = deep
        self.last = last

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return deep features (n, units) of images (n, 1, k, 256)."""
        found: torch.Tensor = self.deep(torch.flatten(self.convolutions(images), 1))
        return found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes)."""
        logits: torch.Tensor = self.last(self.features(images))
        return logits


def _halved(size: int) -> int:
    return (size + 1) // 2


def alexnet(
    k: int, classes: int, dropout: float = DROPOUT, convolution_dropout: float = DROPOUT
) -> PaperNetwork:
    """Return the modified AlexNet: five 5x5 convolutions, one 2x2 pool after the last, three full layers.

    The first convolution has stride 2, the only form that fits Table II: 16,777,216 parameters for 4 more rows.
    """
    layers: list[nn.Module] = []
    before = 1
    for i, channels in enumerate(ALEXNET_CHANNELS):
        first = i == 0
        layer = nn.Conv2d(before, channels, KERNEL, 2, MARGIN) if first else Convolution(before, channels)
        layers += [layer, nn.ReLU()]
        if i == len(ALEXNET_CHANNELS) - 1:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # same padding: a single row stays one row
        layers.append(Dropout(convolution_dropout))
        before = channels
    size = before * _halved(_halved(k)) * (MATRIX_COLUMNS // 4)
    wide, narrow = ALEXNET_UNITS
    deep = nn.Sequential(
        nn.Linear(size, wide),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(wide, narrow),
        nn.ReLU(),
        Dropout(dropout),
    )
    return _initialised(PaperNetwork(ALEXNET, k, nn.Sequential(*layers), deep, nn.Linear(narrow, classes)))


def cnn(k: int, classes: int, dropout: float = DROPOUT) -> PaperNetwork:
    """Return a CNN in the form of LeNet (LeCun 1998, the paper's [6]): two convolutions with pools, two full layers."""
    convolutions = nn.Sequential(
        nn.Conv2d(1, 20, KERNEL, padding=MARGIN),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(20, 50, KERNEL, padding=MARGIN),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
    )
    size = 50 * _halved(_halved(k)) * (MATRIX_COLUMNS // 4)
    deep = nn.Sequential(nn.Linear(size, 500), nn.ReLU(), Dropout(dropout))
    return _initialised(PaperNetwork(CNN, k, convolutions, deep, nn.Linear(500, classes)))


def _convolution(taken: int, channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(taken, channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """One module of GoogLeNet: four paths through the same image, side by side."""

    def __init__(
        self, taken: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
    ) -> None:
        """Channels: of the input, the 1x1 way, the 3x3 and 5x5 ways (reduced to, out), the pooled way."""
        super().__init__()
        self.ways = nn.ModuleList(
            [
                _convolution(taken, one, 1),
                nn.Sequential(_convolution(taken, three[0], 1), _convolution(*three, 3)),
                nn.Sequential(_convolution(taken, five[0], 1), _convolution(*five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), _convolution(taken, pool, 1)),
            ]
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the ways' channels one after the other."""
        return torch.cat([way(image) for way in self.ways], 1)


INCEPTIONS = (
    (192, 64, (96, 128), (16, 32), 32),
    (256, 128, (128, 192), (32, 96), 64),
    None,  # a pool
    (480, 192, (96, 208), (16, 48), 64),
    (512, 160, (112, 224), (24, 64), 64),
    (512, 128, (128, 256), (24, 64), 64),
    (512, 112, (144, 288), (32, 64), 64),
    (528, 256, (160, 320), (32, 128), 128),
    None,
    (832, 256, (160, 320), (32, 128), 128),
    (832, 384, (192, 384), (48, 128), 128),
)
"""Szegedy et al. 2015 (the paper's [10]), Table 1: 3a to 5b."""


def googlenet(k: int, classes: int, dropout: float = 0.4) -> PaperNetwork:
    """Return GoogLeNet for one channel, with batch normalisation in place of its two auxiliary classifiers."""
    layers: list[nn.Module] = [
        _convolution(1, 64, 7, 2),
        nn.MaxPool2d(3, 2, 1),
        _convolution(64, 64, 1),
        _convolution(64, 192, 3),
        nn.MaxPool2d(3, 2, 1),
    ]
    layers += [nn.MaxPool2d(3, 2, 1) if row is None else Inception(*row) for row in INCEPTIONS]
    layers.append(nn.AdaptiveAvgPool2d(1))
    deep = nn.Sequential(OrderedDict(dropout=Dropout(dropout)))
    return _initialised(PaperNetwork(GOOGLENET, k, nn.Sequential(*layers), deep, nn.Linear(1024, classes)))


def _initialised(network: PaperNetwork) -> PaperNetwork:
    # He et al. 2015: without it, nothing reaches the last of eight layers with a dropout of 0.5 in each.
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    nn.init.xavier_normal_(network.last.weight)
    return network


MAKERS = {ALEXNET: alexnet, CNN: cnn, GOOGLENET: googlenet}


def make_network(kind: str, k: int, classes: int, dropout: float | None = None) -> PaperNetwork:
    """Return a network of `kind`, its weights drawn from torch's random numbers."""
    return MAKERS[kind](k, classes) if dropout is None else MAKERS[kind](k, classes, dropout)


def parameters(network: nn.Module) -> int:
    """Return the number of weights that training changes."""
    return sum(part.numel() for part in network.parameters())
