"""A changed value is what dataclasses.replace gives."""

from dataclasses import dataclass, replace

import pytest

from callprint.core.ground.changed import changed


@dataclass(frozen=True, slots=True)
class _Point:
    x: int
    y: int
    name: str = "here"


def test_it_is_what_replace_gives():
    point = _Point(1, 2, "there")
    assert changed(point, y=3) == replace(point, y=3) == _Point(1, 3, "there")
    assert changed(point) == point


def test_a_field_that_is_not_there_is_refused():
    with pytest.raises(KeyError):
        changed(_Point(1, 2), z=3)
