"""Entry points that are called without Numba: the same results, the same errors, and Numba for everything else."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from callprint.machine_code.argument_types import NotKnownError, described, fit_for
from callprint.machine_code.linking import NotSimpleError, linked

pytestmark = pytest.mark.usefixtures("image")

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"


def run(program: str) -> str:
    """Run a program in a process of its own, in which nothing compiled was called before; return what it prints."""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return finished.stdout


BEGIN = """
import sys
import numpy as np
from callprint.machine_code import making, ready
from callprint.cli import main
from callprint.core.ground.compilation import Compilation
"""

COPIED = """
from callprint.core.ground.compiled import read_only
from callprint.core.ground.pieces import _copy
def copied(places):
    target, source = np.zeros(1, np.uint8), np.array([5, 6, 7], np.uint8)
    _copy(target, read_only(np.zeros(1, int)), read_only(source), read_only(places), read_only(np.ones(1, int)))
    return target[0]
"""


def test_a_capture_is_identified_without_numba_with_the_same_output():
    """The whole table of the sample, by the image and by Numba."""
    program = (
        BEGIN
        + """
{}
main(["identify", "samples/applications.pcapng", "--no-store", "--json"])
print("numba" in sys.modules)
"""
    )
    ready, numba = run(program.format("")), run(program.format("Compilation.ready = None"))
    assert ready.endswith("False\n")
    assert numba.endswith("True\n")
    assert ready.removesuffix("False\n") == numba.removesuffix("True\n")


def test_other_types_go_through_numba_from_then_on():
    """Every other place of an array: Numba compiles for it, and the image is not asked again."""
    printed = run(
        BEGIN
        + COPIED
        + """
print(copied(np.array([2, 0])), "numba" in sys.modules)
print(copied(np.array([1, 0, 2, 0])[::2]), "numba" in sys.modules)
print(copied(np.array([2, 0])), "numba" in sys.modules)
"""
    )
    assert printed.split() == ["7", "False", "6", "True", "7", "True"]


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((2, 3, 1)),
        np.zeros((4, 3))[::2],
        np.zeros((3, 2)).T,
        np.zeros((2, 3), ">f8"),
        [[0.0]],
        None,
    ],
)
def test_an_array_of_another_kind_does_not_fit(wrong):
    """Machine code trusts its arguments."""
    fit = fit_for(["array", "<f8", 2, True])
    assert fit(np.zeros((2, 3)))
    assert not fit(wrong)


def test_an_array_that_must_not_be_written_to_does_not_fit_where_it_would_be():
    values = np.zeros(3, np.uint8)
    for writeable in (True, False):
        values.flags.writeable = writeable
        assert [fit_for(["array", "|u1", 1, mutable])(values) for mutable in (True, False)] == [
            writeable,
            not writeable,
        ]


def test_types_are_described_as_numba_sees_the_arguments():
    """Structured types with padding, arrays in them and structures in structures come back as they were."""
    numba = pytest.importorskip("numba")
    inner = np.dtype([("a", "u1"), ("b", "<f8")], align=True)
    row = np.dtype([("c", "<u2"), ("d", inner), ("e", "<i4", (3,))], align=True)
    for value in (np.zeros(2, row), np.zeros(1, row)[0], 5, np.uint64(1 << 63), 2.5, True, None):
        fit = fit_for(described(numba.typeof(value)))
        assert fit(value)
        assert not fit("text")
    assert not fit_for(described(numba.typeof(np.zeros(2, row))))(np.zeros(2, inner))
    with pytest.raises(NotKnownError):
        described(numba.typeof("text"))


@pytest.mark.parametrize("damage", [b"", b"MZ", b"\x7fELF\x02\x01\x01" + bytes(60)])
def test_what_is_no_object_file_is_refused(damage):
    with pytest.raises(NotSimpleError):
        linked([damage])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_process_that_has_given_up_its_privileges_compiles_without_keeping():
    """A capture agent must not die of a function that it calls with other types after it has become nobody."""
    printed = run(
        BEGIN
        + COPIED
        + """
import os
from callprint.core.ground.compiled import load_compiler
ready._entry_points()
load_compiler()
os.environ["HOME"] = "/nonexistent"
os.setuid(65534)
if not os.access(os.__file__, os.R_OK):
    sys.exit(print("this Python is for its owner alone"))
print(copied(np.array([1, 0, 2, 0])[::2]))
"""
    )
    if "owner" in printed:
        pytest.skip(printed)
    assert printed.split() == ["6"]
