"""A 5x5 convolution that needs a seventh of the multiplications where it trains on a processor."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn

KERNEL = 5  # the paper, section VI-B: 5x5 filters, same padding
MARGIN = KERNEL // 2

POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 4.0)  # few, small, powers of two: little is lost to rounding
MOST_ROWS, MOST_COLUMNS = 5, 4  # results of a tile: at k = 10 AlexNet's images have 5 rows, and 128 columns
FEWEST_HEIGHT = 3  # torch's own passes over the margin, which is most of what it does for a lower image
MOST_HEIGHT = 20  # values at points take as much memory as three images


def minimal_filter(outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what turns a window, a kernel and their products at p = outputs + 4 points into `outputs` results.

    (p, p), (p, 5) and (outputs, p) float64: results = last @ ((second @ kernel) * (first @ window)).
    Toom and Cook's interpolation at points and at infinity: Lavin and Gray 2016, "Fast Algorithms for Convolutional
    Neural Networks". The scales are powers of two that make the values at all points alike.
    """
    size = outputs + KERNEL - 1

    def at_points(coefficients: int) -> np.ndarray:
        values = np.vander(POINTS[: size - 1], coefficients, increasing=True)
        infinity = np.eye(coefficients)[-1:]
        return np.vstack([values, infinity])

    kernel, last = at_points(KERNEL), at_points(outputs)
    scales = [2.0 ** np.round(np.log2(np.linalg.norm(one, axis=1, keepdims=True))) for one in (kernel, last)]
    window = np.linalg.inv(at_points(size)).T * scales[0] * scales[1]
    return window, kernel / scales[0], (last / scales[1]).T


class Tiles:
    """How images (n, h, w, c) are cut into tiles of results, each of which has a window of pixels."""

    def __init__(self, height: int, width: int) -> None:
        """Cut images of this size, without their margins, into the largest tiles that fill them."""
        self.tile = (_divisor(height, MOST_ROWS), _divisor(width, MOST_COLUMNS))
        self.count = (height // self.tile[0], width // self.tile[1])
        # What is above and below a single row of tiles is zero.
        self.margin = (0 if self.count[0] == 1 else MARGIN, MARGIN)
        self.window = (self.tile[0] + 2 * self.margin[0], self.tile[1] + 2 * self.margin[1])
        down, across = (minimal_filter(size) for size in self.tile)
        rows = slice(MARGIN - self.margin[0], MARGIN - self.margin[0] + self.window[0])
        pairs = ((down[0][:, rows], across[0]), (down[1], across[1]), (down[2], across[2]))
        self.window_to_points, self.kernel_to_points, self.points_to_results = (
            torch.from_numpy(np.kron(*pair)).float() for pair in pairs
        )

    def pixels(self, images: torch.Tensor, first: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
        """Return a part of all windows, from their pixel `first`: a view (*size, n, *count, c) of padded images."""
        n, row, column, c = images.stride()
        strides = (row, column, n, row * self.tile[0], column * self.tile[1], c)
        shape = (*size, len(images), *self.count, images.shape[-1])
        return images.as_strided(shape, strides, images.storage_offset() + first[0] * row + first[1] * column)


_tiles = lru_cache(Tiles)


class _Windows(torch.autograd.Function):
    """The windows of all tiles of padded images; torch knows no gradient of views that overlap themselves."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, tiles: Tiles) -> torch.Tensor:
        ctx.shape, ctx.tiles = padded.shape, tiles
        return tiles.pixels(padded, (0, 0), tiles.window).contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (windows,) = gradients
        tiles: Tiles = ctx.tiles
        found = windows.new_zeros(ctx.shape)
        for i in range(0, tiles.window[0], tiles.tile[0]):
            for j in range(0, tiles.window[1], tiles.tile[1]):
                part = windows[i : i + tiles.tile[0], j : j + tiles.tile[1]]  # of which none overlap
                tiles.pixels(found, (i, j), (part.shape[0], part.shape[1])).add_(part)
        return found, None


class Convolution(nn.Conv2d):
    """nn.Conv2d of 5x5 with same padding, which trains in float32 on a processor by minimal filtering.

    Its results differ from nn.Conv2d's by some hundred thousandths. AlexNet's convolutions are nineteen twentieths of a
    training's multiplications and as fast as a processor multiplies: fewer are the only way to be faster.
    """

    def __init__(self, taken: int, given: int) -> None:
        """Channels: of the input, and of the output."""
        super().__init__(taken, given, KERNEL, padding=MARGIN)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, given, h, w) of images (n, taken, h, w)."""
        own = self.training and images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if not own or not FEWEST_HEIGHT <= images.shape[2] <= MOST_HEIGHT:
            return super().forward(images)
        return self._filtered(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _filtered(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, h, w, given) of images (n, h, w, taken)."""
        n, height, width, taken = images.shape
        tiles = _tiles(height, width)
        down, across = tiles.margin
        padded = nn.functional.pad(images, (0, 0, across, across, down, down))
        windows = _Windows.apply(padded, tiles)  # type: ignore[no-untyped-call]
        points, pixels = tiles.window_to_points.shape
        every = n * tiles.count[0] * tiles.count[1]
        at_points = (tiles.window_to_points @ windows.view(pixels, every * taken)).view(points, every, taken)
        weights = self.weight.permute(2, 3, 1, 0).reshape(KERNEL * KERNEL, -1)
        kernels = (tiles.kernel_to_points @ weights).view(points, taken, self.out_channels)
        products = torch.bmm(at_points, kernels)
        results = tiles.points_to_results @ products.view(points, every * self.out_channels)
        cut = results.view(*tiles.tile, n, *tiles.count, self.out_channels)
        found = cut.permute(2, 3, 0, 4, 1, 5).reshape(n, height, width, self.out_channels)
        return found + self.bias


def _divisor(size: int, most: int) -> int:
    """Return the largest number up to `most` that divides `size`."""
    return max(one for one in range(1, most + 1) if size % one == 0)
