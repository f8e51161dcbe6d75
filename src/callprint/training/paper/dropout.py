"""Dropout whose random numbers do not take a third of a training on a processor."""

import torch
from torch import nn

HALF = 0.5  # what one random bit decides
BITS = 8


def _factors_of_bytes() -> torch.Tensor:
    """Return the factors (256, 8) float32, 0 or 2, that the bits of each byte stand for."""
    bits = torch.arange(1 << BITS)[:, None] >> torch.arange(BITS) & 1
    return bits.float() / HALF


class Dropout(nn.Dropout):
    """nn.Dropout with the same distribution: where it drops half of the values on a processor, each costs a random bit.

    torch draws a whole number for each value there, in one thread.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values, some of them 0 and the others larger."""
        dense = values.is_contiguous() or (
            values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last)
        )
        if not self.training or self.p != HALF or values.device.type != "cpu" or not dense:
            return super().forward(values)
        count = values.numel()
        drawn = torch.randint(0, 1 << BITS, (-(-count // BITS),))
        factors = _factors_of_bytes().to(values.dtype)[drawn]
        return values * factors.as_strided(values.size(), values.stride())
