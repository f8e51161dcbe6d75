"""Model cards: every defect is a ModelError that names the field, whatever the text."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_cards import CARD, card_table

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import ModelCard, card_text, parse_card
from callprint.core.identify.feature_row import GROUPS


def test_a_card_survives_being_written_and_read():
    assert parse_card(card_text(CARD)) == CARD


def test_what_a_card_says_of_engines_and_least_packets_survives_and_tells_models_apart():
    policy = replace(CARD.policy, engine_novelty_thresholds=((2, 4.0),), sure_packets=10)
    card = replace(CARD, policy=policy)
    assert parse_card(card_text(card)) == card
    assert card.digest != CARD.digest


def test_a_card_of_an_earlier_release_has_neither_and_keeps_its_digest():
    table = card_table()
    del table["policy"]["engine_novelty_thresholds"], table["policy"]["sure_packets"]
    assert parse_card(json.dumps(table)) == CARD
    assert replace(CARD, engines=("x", "y", "y")).digest == CARD.digest


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("format",), 2, "format"),
        (("name",), "", "name"),
        (("classes",), ["a", "a"], "classes"),
        (("classes",), [], "classes"),
        (("engines",), ["x"], "engines"),
        (("input", "kind"), "pickle", "input.kind"),
        (("input", "columns"), 3, "input"),
        (("input", "feature_version"), 0, "input"),
        (("input", "minimum_packets"), 0, "input.minimum_packets"),
        (("input", "maximum_packets"), 1e9, "input.maximum_packets"),
        (("input",), [], "input"),
        (("checkpoints",), [20, 10], "checkpoints"),
        (("checkpoints",), [True], "checkpoints"),
        (("policy", "threshold"), 1.5, "policy.threshold"),
        (("policy", "threshold"), True, "policy.threshold"),
        (("policy", "temperatures"), [], "policy.temperatures"),
        (("policy", "temperatures"), [[2, 0.0]], "policy.temperatures"),
        (("policy", "temperatures"), [[10, 1.0], [2, 1.0]], "policy.temperatures"),
        (("policy", "novelty_thresholds"), [[2]], "policy.novelty_thresholds"),
        (("policy", "engine_novelty_thresholds"), [[2]], "policy.engine_novelty_thresholds"),
        (("policy", "sure_packets"), -1, "policy.sure_packets"),
        (("onnx", "file"), "../other.onnx", "onnx.file"),
        (("onnx", "sha256"), "00", "onnx.sha256"),
        (("training",), "text", "training"),
        (("reference",), [], "reference"),
        (("reference", "confidence"), [1], "reference.confidence"),
        (("reference", "applications"), [1, 2, -3], "reference.applications"),
        (("reference", "features"), [], "reference.features"),
        (("reference", "limits"), [], "reference.limits"),
        (("reference", "limits"), [[50, [0.1]]], "reference.limits"),
        (("headers",), [], "headers"),
        (("headers", "threshold"), 2, "headers.threshold"),
        (("headers", "temperatures"), [], "headers.temperatures"),
        (("headers", "minimum_packets"), 1, "headers.minimum_packets"),
        (("headers", "payload"), [0.5], "headers.payload"),
        (("headers", "payload"), ["x"] * len(GROUPS["payload"]), "headers.payload"),
    ],
)
def test_a_defect_is_named(path, value, named):
    table = card_table()
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ModelError, match=named):
        parse_card(json.dumps(table))


@pytest.mark.parametrize("edges", [[1.0, 1.0], ["x"], [2.0, 1.0], [0.0] * 40])
def test_edges_of_the_reference_must_rise(edges):
    table = card_table()
    table["reference"]["features"][3] = [edges, [0] * (len(edges) + 1)]
    with pytest.raises(ModelError, match=r"reference\.features"):
        parse_card(json.dumps(table))


@pytest.mark.parametrize("name", ["reference", "headers"])
def test_a_card_may_lack(name):
    table = card_table()
    del table[name]
    card = parse_card(json.dumps(table))
    assert getattr(card, name) is None
    assert card_text(card) == card_text(replace(CARD, **{name: None}))


def test_the_digest_is_that_of_older_versions_where_nothing_is_said_of_headers():
    before = replace(CARD, headers=None)
    assert before.digest == "f2917eece434c347"
    assert CARD.digest != before.digest


@pytest.mark.parametrize("key", sorted(set(card_table()) - {"reference", "headers"}))
def test_a_missing_field_is_named(key):
    table = card_table()
    del table[key]
    with pytest.raises(ModelError, match=key):
        parse_card(json.dumps(table))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "NaN", "[" * 100_000, "{}" * 2, " " * (1 << 21)])
def test_text_that_is_not_a_card(text):
    with pytest.raises(ModelError):
        parse_card(text)


@pytest.mark.parametrize("value", ["1e999", "-1e999", '{"deeper": [1e400]}', '"\\ud800"', '{"\\udfff": 1}'])
@pytest.mark.parametrize("section", ["training", "accuracy"])
def test_a_fact_that_no_file_can_hold_is_refused(section, value):
    text = json.dumps(card_table() | {section: {"fact": 0}}).replace('{"fact": 0}', f'{{"fact": {value}}}')
    with pytest.raises(ModelError):
        parse_card(text)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_hostile_card_is_refused_or_consistent(data):
    """Invariant: whatever the text, parsing gives a card whose parts fit together, or raises ModelError."""
    table = card_table()
    for _ in range(data.draw(st.integers(1, 3))):
        inner, key = table, data.draw(st.sampled_from(sorted(table)))
        while isinstance(inner[key], dict) and inner[key] and data.draw(st.booleans()):
            inner, key = inner[key], data.draw(st.sampled_from(sorted(inner[key])))
        inner[key] = data.draw(values)
    try:
        card = parse_card(json.dumps(table))
    except ModelError:
        return
    assert isinstance(card, ModelCard)
    assert len(card.classes) == len(card.engines) == len(set(card.classes))
    assert (
        card.input.minimum_packets
        <= card.checkpoints[0]
        <= card.checkpoints[-1]
        <= card.input.maximum_packets
    )
    assert card.policy.temperatures
    assert parse_card(card_text(card)) == card
