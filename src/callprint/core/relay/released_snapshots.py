"""Snapshots of a site's calls that callprint 0.1.0 wrote, brought into the form of today (site_snapshot.py).

0.1.0 gave no version and wrote rows without names. Rows are left so, for core/ground/named_rows.py reads them; here
lists of other kinds get their names. The part `assembly` upgrades itself (core/calls/assembly_snapshot.py).
"""

import json
from typing import Any

from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.feature_columns import FIRST_NAMES


def upgraded_0_1_0(state: Snapshot) -> Snapshot:
    """Return the snapshot in the form of today. Raises KeyError, TypeError or ValueError when it is damaged."""
    plain = dict(state.plain)
    plain["own"] = plain["own"] | {"votes": plain["own"]["heard"]}
    plain["order"] = {
        "sources": [_source(values) for values in plain["order"]["sources"]],
        "merged": [[*values, *at] for *values, at in plain["order"]["merged"]],
        "released_early": plain["order"]["hurried"],
    }
    if "judge" in plain:
        plain["judge"] = plain["judge"] | {"features": list(FIRST_NAMES)}
    return Snapshot(plain, state.arrays)


def _source(values: dict[str, Any]) -> dict[str, Any]:
    flows = [
        {
            "partition": partition,
            "sequence": sequence,
            "verdicts": json.loads(verdicts),
            "summaries": json.loads(summaries),
        }
        for partition, sequence, verdicts, summaries in values["flows"]
    ]
    return values | {
        "received": values["heard"],
        "progress_seen": values["met"],
        "progress": values["marks"],
        "flows": flows,
        "latest_clock_ns": values["latest_ns"],
        "latest_message_ns": values["told_ns"],
    }
