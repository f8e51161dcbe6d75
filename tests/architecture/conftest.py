"""The image of entry points that several tests of this folder call."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAKE = """
import sys
from callprint.machine_code import making, ready
from callprint.core.ground.compilation import Compilation
if not ready._entry_points():
    find, Compilation.ready = Compilation.ready, None
    from callprint.machine_code.warm_up import STEPS
    for step in STEPS.values():
        step()
    making.keep_parts()
    making.make()
    ready._entry_points.cache_clear()
    del sys.modules["numba"]
print(len(ready._entry_points()))
"""


@pytest.fixture(scope="session")
def image() -> None:
    """Have an image: of all that warm_up.py compiles."""
    made = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, text=True, check=True, cwd=ROOT)
    if int(made.stdout) == 0:
        pytest.skip("this processor gets no image")
