"""Who is asked for verdicts: an `Identifier` (the network), which answers with `Judgements`."""

from typing import NamedTuple, Protocol

import numpy as np

from callprint.core.flow.engine import FlowEvents
from callprint.core.ground.arrays import Array
from callprint.core.verdicts.rule import ANSWER, ByFlow, later_looks, questions, sure_before, unanswered


class Judgements(Protocol):
    """An identifier's answers about n evidence logs."""

    @property
    def application(self) -> Array:
        """(n,) int16: the best class of each."""

    @property
    def confidence(self) -> Array:
        """(n,) float32: its calibrated probability."""

    @property
    def reason(self) -> Array:
        """(n,) uint8 into REASONS (core/verdict.py): 0 for sure, otherwise why the application is unknown."""

    @property
    def engine(self) -> Array:
        """(n,) int16: a class of the engine that is sure, NO_APPLICATION where none is."""

    @property
    def engine_confidence(self) -> Array:
        """(n,) float32: the calibrated probability of the likeliest engine."""


class Identifier(Protocol):
    """Names the applications behind evidence logs (core/evidence.py)."""

    @property
    def name(self) -> str:
        """Name and version of the model, as verdicts give it."""

    @property
    def digest(self) -> str:
        """What tells it from every other model, also from one of the same name: 16 hex digits."""

    @property
    def applications(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def engines(self) -> tuple[str, ...]:
        """The media stack of each class."""

    @property
    def minimum_k(self) -> int:
        """The fewest RTP packets that it judges."""

    def identify(self, evidence: Array, spans: Array) -> Judgements:
        """Judge the logs evidence[spans[i, 0]:spans[i, 1]]; evidence: (bytes,) uint8, spans: (n, 2) int64."""


class Names(NamedTuple):
    """The names that verdicts quote from an identifier."""

    model: str  # name and version
    digest: str | None
    applications: tuple[str, ...]  # by class
    engines: tuple[str, ...]  # by class

    @classmethod
    def of(cls, identifier: Identifier | None) -> "Names":
        """Return the names of an identifier; without one there is no model and no class."""
        if identifier is None:
            return cls(NO_MODEL, None, (), ())
        return cls(identifier.name, identifier.digest, identifier.applications, identifier.engines)


NO_MODEL = "none"
"""The model in a verdict when no model looked at the evidence."""


WAITING_PAYS = 32
"""Looks of a drain that wait until earlier ones of their flows are answered: a run of the network for fewer costs more
than it can save."""


def ask(identifier: Identifier | None, drain: FlowEvents) -> Array:
    """Return an identifier's answers about the evidence of each event, (n,) ANSWER. It sees each log once.

    It is not asked about a checkpoint where an earlier one of the same drain is sure: such a verdict would not count.
    """
    events, flows = drain.events, drain.flows
    answers = unanswered(len(events))
    if identifier is None:
        return answers
    asked = questions(events, flows, identifier.minimum_k)
    by_flow = ByFlow(events["row"], flows["generation"])
    waits = later_looks(events, by_flow, asked)
    if np.count_nonzero(waits) < WAITING_PAYS:
        _answer(identifier, drain, asked, answers)
        return answers
    _answer(identifier, drain, asked[~waits], answers)
    left = asked[waits]
    _answer(identifier, drain, left[~sure_before(by_flow, answers)[left]], answers)
    return answers


def _answer(identifier: Identifier, drain: FlowEvents, asked: Array, answers: Array) -> None:
    """Write the answers about the events `asked`, (m,) int64, into `answers`, (n,) ANSWER."""
    if not len(asked):
        return
    starts, ends = drain.events["start"][asked], drain.events["end"][asked]
    # Two events may ask about one log, as a checkpoint and the horizon at the same packet do. No log is empty, so
    # those that end at the same byte are the same.
    _, first, log_of = np.unique(ends, return_index=True, return_inverse=True)
    judgements = identifier.identify(drain.evidence, np.column_stack([starts[first], ends[first]]))
    for name in ANSWER.names or ():
        answers[name][asked] = getattr(judgements, name)[log_of]
