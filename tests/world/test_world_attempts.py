"""Call attempts in situations that users of other tools have reported; cases.csv says where each value is from."""

import pytest


@pytest.fixture
def ends(identified):
    """Return a function: number of a case -> the end rows of its calls, times in seconds from their beginning."""

    def identify(case):
        _, calls = identified(case)
        for row in calls:
            for name in ("answered", "ended"):
                row[f"{name}_s"] = round((row[f"{name}_ns"] - row["started_ns"]) / 1e9, 3)
        return calls

    return identify


@pytest.mark.parametrize(
    ("case", "answered_s", "ended_s", "by", "flows"),
    [
        ("01", 5.0, 35.0, "caller", 1),
        ("01b", 5.0, 35.0, "caller", 1),
        ("01c", 5.01, 35.0, "caller", 1),
        ("02", 65.0, 95.0, "caller", 1),
        ("03", 46.0, 76.0, "callee", 1),
        ("13", 2.0, 12.0, "caller", 1),
        ("14", 2.0, 12.0, "callee", 1),
        ("15", 5.001, 5.06, "caller", 0),
        ("36", 22.0, 52.0, "caller", 1),
    ],
)
def test_an_attempt_is_all_its_transactions(ends, case, answered_s, ended_s, by, flows):
    (call,) = ends(case)
    assert (call["state"], call["final_status"], call["ended_by"]) == ("completed", 200, by)
    assert (call["answered_s"], call["ended_s"]) == (answered_s, ended_s)
    assert (len(call["caller_flows"]), len(call["callee_flows"])) == (flows, flows)
    assert call["callee"] == "+12025550102"
