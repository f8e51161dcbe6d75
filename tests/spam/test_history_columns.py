"""Histories that another version kept: columns go by their names, and those that are not there start at zero."""

import numpy as np
import pytest

from callprint.core.ground.errors import ConfigError
from callprint.core.spam import compiled_histories as compiled
from callprint.core.spam import histories
from callprint.core.spam.histories import CallHistory

FIELDS = ("times", "sums")


def kept() -> dict[str, np.ndarray]:
    """A history with two callers, as numbers that tell every column from the others."""
    history = CallHistory(100)
    for table in (history._callers, history._campaigns):
        table.keys[[3, 17]] = [5, 6]
        for field in FIELDS:
            array = getattr(table, field)
            array[[3, 17]] = np.arange(2 * array.shape[1]).reshape(2, -1) + 1
    return history.snapshot()


def without_names(state):
    return {name: array for name, array in state.items() if not name.endswith("_columns")}


def test_every_column_of_a_table_has_a_name():
    table = compiled.new_table(8)
    for field in FIELDS:
        assert len(histories._COLUMNS[field]) == getattr(table, field).shape[1]
        assert [getattr(compiled, name) for name in histories._COLUMNS[field]] == list(
            range(len(histories._COLUMNS[field]))
        )


def test_a_history_of_0_1_0_has_no_names():
    again = CallHistory.restore(without_names(kept())).snapshot()
    for name, array in kept().items():
        np.testing.assert_array_equal(again[name], array)


def test_columns_in_another_order_find_their_places():
    state = kept()
    for field in FIELDS:
        state[f"{field}_columns"] = state[f"{field}_columns"][::-1]
        for table in ("callers", "campaigns"):
            state[f"{table}_{field}"] = state[f"{table}_{field}"][:, ::-1]
    again = CallHistory.restore(state).snapshot()
    for name, array in kept().items():
        np.testing.assert_array_equal(again[name], array)


def test_a_column_that_is_not_there_starts_at_zero_and_one_that_nobody_knows_is_dropped():
    state = kept()
    names = state["sums_columns"].tolist()
    names[names.index("TALK_S")] = "OF_A_LATER_VERSION"
    state["sums_columns"] = np.array(names)
    again = CallHistory.restore(state).snapshot()
    for table in ("callers", "campaigns"):
        sums = again[f"{table}_sums"]
        assert (sums[:, compiled.TALK_S] == 0).all()
        others = np.arange(sums.shape[1]) != compiled.TALK_S
        np.testing.assert_array_equal(sums[:, others], kept()[f"{table}_sums"][:, others])


@pytest.mark.parametrize("named", [np.array(["HOURLY"]), np.array(7), np.zeros((15, 2))])
def test_names_that_do_not_fit_are_refused(named):
    with pytest.raises(ConfigError, match="another form"):
        CallHistory.restore(kept() | {"sums_columns": named})
