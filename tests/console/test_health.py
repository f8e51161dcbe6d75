"""Loss and MOS over time, and alarms: on the page, and by what is stored."""

import pytest
from verdict_samples import LINPHONE, SECOND_NS, START_NS, summary, verdict

from callprint.console import watch
from callprint.console.health import DAY_NS, HOUR_NS, drift_alarms, over_time, quality_alarm, sample
from callprint.model_files import DEFAULT_MODEL, ModelFile, models_at
from callprint.stores import open_store

END_NS = START_NS + DAY_NS


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Pages wait for what is looked for."""
    monkeypatch.setattr(watch, "PATIENCE_S", 30.0)


def put(path, count, begin_ns, mos, lost=0, **changes):
    with open_store(str(path)) as store:
        flows = [
            LINPHONE._replace(src_port=i + 1, first_seen_ns=begin_ns + i * SECOND_NS) for i in range(count)
        ]
        store.put_verdicts([verdict(flow, **changes) for flow in flows])
        store.put_flows([summary(flow, mos=mos, lost=lost) for flow in flows])


def alarm_of(path, end_ns=END_NS):
    with open_store(str(path)) as store:
        return quality_alarm(store, end_ns)


def test_a_sample_says_what_its_flows_say(store):
    put(store, 50, START_NS + HOUR_NS, 4.0, 5)
    with open_store(str(store)) as opened:
        found = sample(opened, START_NS + HOUR_NS, START_NS + 2 * HOUR_NS)
        assert (found.flows, found.rated, found.poor, found.mos) == (40, 40, 0, 4.0)
        assert found.lost == pytest.approx(5 / 500)
        assert sample(opened, 0, 1) == (0, 0, None, None, 0, 0)
        stretches = over_time(opened, START_NS, END_NS)
        assert len(stretches) == 24
        assert sum(each.flows for each in stretches) >= 40


def test_a_stretch_is_looked_at_again_when_its_end_is_twice_as_long_ago(store):
    known = {}

    def flows(end_ns):
        with open_store(str(store)) as opened:
            return sum(each.flows for each in over_time(opened, end_ns - DAY_NS, end_ns, known))

    assert flows(END_NS) == 0
    put(store, 30, END_NS - HOUR_NS // 20, 4.0)  # goes on
    put(store, 20, END_NS - 6 * HOUR_NS, 4.0)  # for five hours it has been over, or six
    assert flows(END_NS) == 30
    assert flows(END_NS + 3 * HOUR_NS) == 30
    assert flows(END_NS + 7 * HOUR_NS) == 50


def test_a_bad_hour_after_a_good_day_raises_an_alarm(store):
    put(store, 60, START_NS + HOUR_NS, 4.2)
    assert alarm_of(store) is None
    put(store, 20, END_NS - HOUR_NS, 2.0)
    assert "100% of the last hour’s flows" in alarm_of(store).words


def test_a_bad_hour_after_a_bad_day_raises_none(store):
    put(store, 60, START_NS + HOUR_NS, 2.0)
    put(store, 20, END_NS - HOUR_NS, 2.0)
    assert alarm_of(store) is None


def test_few_flows_raise_no_alarm(store):
    put(store, 60, START_NS + HOUR_NS, 4.2)
    put(store, 4, END_NS - HOUR_NS, 2.0)
    assert alarm_of(store) is None


def test_drift_is_an_alarm(store):
    cards = [each.card for each in models_at([DEFAULT_MODEL]) if isinstance(each, ModelFile)]
    name = f"{cards[0].name} {cards[0].version}"
    judged = {"model": name, "model_digest": cards[0].digest, "confidence": 0.3, "reason": "low_confidence"}
    with open_store(str(store)) as opened:
        assert drift_alarms(opened, END_NS, cards) == []
    put(store, 80, END_NS - HOUR_NS, 4.2, application="unknown", best_application="jami", **judged)
    with open_store(str(store)) as opened:
        assert {alarm.kind for alarm in drift_alarms(opened, END_NS, cards)} == {"drift"}
        assert drift_alarms(opened, END_NS, []) == []


def test_the_page_shows_quality_and_alarms(store, visitor):
    put(store, 60, START_NS + HOUR_NS, 4.2)
    put(store, 20, END_NS - HOUR_NS // 2, 2.0, lost=50)
    text = visitor.get("/?range=24h").text
    assert "mean MOS and loss, of the latest 40 flows" in text
    assert "<b>Quality</b> 100% of the last hour" in text
    assert "MOS 2.00, 20 of 20 below 3.5" in text
    assert "10.00% lost" in text
    found = visitor.get("/api/v1/health?range=24h").json()
    assert [each["kind"] for each in found["alarms"]] == ["quality"]
    assert found["stretches"][-1]["poor"] == 20
