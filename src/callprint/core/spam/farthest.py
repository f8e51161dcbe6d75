"""The farthest pair of a data set under a diagonal metric: exact, and the box around the data."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 512  # rows of the distance matrix held at once


def box_squares(values: Floats, known: Floats) -> Floats:
    """Return (max - min)^2 of each dimension, (d,): at least as far as any pair, in O(n d)."""
    highest = np.where(known > 0.0, values, -np.inf).max(0)
    lowest = np.where(known > 0.0, values, np.inf).min(0)
    return np.where(known.any(0), np.where(known.any(0), highest - lowest, 0.0), 0.0) ** 2


def farthest_pair_squares(values: Floats, known: Floats, metric: Floats) -> Floats:
    """Return the squared differences, per dimension (d,), of the pair with the largest distance. O(n^2 d).

    `values`, `known` (n, d); `metric (d,)`. Dimensions that one of the two does not know count as no
    difference. Computed in blocks by matrix products: with masks k, sum_d a k_i k_j (x_i - x_j)^2 is
    (k x^2 a) k' + k (k x^2 a)' - 2 (k x a) (k x)'.
    """
    complete = bool(np.all(known == 1.0))
    weighted_squares = values * values * metric  # values are 0 where not known
    best, pair = -1.0, (0, 0)
    norms = weighted_squares.sum(1)
    for start in range(0, len(values), _BLOCK):
        rows = slice(start, start + _BLOCK)
        others = slice(start, None)  # the matrix is symmetric
        distances = (values[rows] * (-2.0 * metric)) @ values[others].T
        if complete:
            distances += norms[rows, None]
            distances += norms[None, others]
        else:
            distances += weighted_squares[rows] @ known[others].T
            distances += known[rows] @ weighted_squares[others].T
        at = int(np.argmax(distances))
        row, column = divmod(at, distances.shape[1])
        if distances[row, column] > best:
            best, pair = float(distances[row, column]), (start + row, start + column)
    one, other = pair
    return np.asarray(known[one] * known[other] * (values[one] - values[other]) ** 2)
