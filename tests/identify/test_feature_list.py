"""The list of features and what derives from it: names, columns, the row, the page in the docs."""

from pathlib import Path

import numpy as np
from feature_page import feature_tables

from callprint.core.identify.feature_list import FEATURES
from callprint.core.identify.feature_row import (
    FEATURE_NAMES,
    FEATURE_ROW,
    GROUPS,
    WORK_ROW,
    by_name,
    group_columns,
)

PAGE = Path(__file__).parents[2] / "docs" / "how" / "features.md"


def test_names_are_distinct_and_groups_cover_all_columns():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    columns = np.concatenate([np.arange(len(FEATURE_NAMES))[group_columns(group)] for group in GROUPS])
    assert columns.tolist() == list(range(len(FEATURE_NAMES)))


def test_a_row_by_name_is_the_row_of_columns():
    numbers = np.arange(2.0 * len(FEATURE_NAMES), dtype=np.float32).reshape(2, -1)
    rows = by_name(numbers)
    assert np.shares_memory(rows, numbers)
    found = [rows[group][feature.name].reshape(2, -1) for group in FEATURES for feature in FEATURES[group]]
    np.testing.assert_array_equal(np.concatenate(found, axis=1), numbers)


def test_rows_have_no_gaps():
    assert FEATURE_ROW.itemsize == 4 * len(FEATURE_NAMES)
    assert WORK_ROW.itemsize == 8 * len(FEATURE_NAMES)


def test_the_page_in_the_docs_is_that_of_the_list():
    assert feature_tables() in PAGE.read_text(encoding="utf-8"), "python tests/feature_page.py prints it"
