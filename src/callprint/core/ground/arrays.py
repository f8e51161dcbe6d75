"""The type of arrays, apart from compiled.py, so that formats and values do not import the compiler."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""Any array; comments say shape and type."""
