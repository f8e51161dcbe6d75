"""Windows of flows as values, for tests: callprint itself has them as rows of numbers."""

import numpy as np

from callprint.core.quality.windows import Interval, intervals, windows_texts


def values_of(windows):
    return [Interval._make(row) for row in intervals(windows).tolist()]


def windows_text(span_s, windows):
    (text,) = windows_texts([span_s], np.array(windows, np.int64), np.array([len(windows)]))
    return text
