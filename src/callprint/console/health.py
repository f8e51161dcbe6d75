"""How flows fare: loss and MOS over time from samples, and alarms. Of each stretch of time only some rows are read."""

from typing import NamedTuple

from callprint.core.identify.card import ModelCard
from callprint.stores import VerdictQuery, VerdictStore
from callprint.stores.base import MINUTE_NS

STRETCHES = 24  # of the time looked at
FLOWS_OF_A_STRETCH = 40  # the latest
POOR_MOS = 3.5
HOUR_NS, DAY_NS = 60 * MINUTE_NS, 1440 * MINUTE_NS
FLOWS_OF_THE_HOUR = 400
LEAST_POOR = 5  # flows: fewer raise no alarm
TIMES_WORSE = 2.0
FLOWS_FOR_DRIFT = 2_000


class Stretch(NamedTuple):
    """What a sample of the flows of a stretch of time says; None where none says it."""

    begin_ns: int
    flows: int  # looked at
    mos: float | None  # the mean
    lost: float | None  # share of the packets sent
    rated: int = 0  # flows with a MOS
    poor: int = 0  # of these below POOR_MOS


class _Judge(NamedTuple):
    """What drift asks of a network: its card says it all."""

    card: ModelCard

    @property
    def applications(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def name(self) -> str:
        return f"{self.card.name} {self.card.version}"


class Alarm(NamedTuple):
    """Something that somebody should look at."""

    kind: str  # drift, quality, agent, topology
    words: str
    path: str = ""  # of the page that shows more


def sample(store: VerdictStore, begin_ns: int, end_ns: int, limit: int = FLOWS_OF_A_STRETCH) -> Stretch:
    """Return what the latest flows of a time say."""
    query = VerdictQuery(since_ns=begin_ns, until_ns=end_ns, limit=limit)
    found = [row.summary for row in store.verdicts(query)]
    ended = [each for each in found if each is not None]
    rated = [each.mos for each in ended if each.mos is not None]
    expected = sum(each.expected for each in ended)
    return Stretch(
        begin_ns,
        len(found),
        sum(rated) / len(rated) if rated else None,
        sum(each.lost for each in ended) / expected if expected else None,
        len(rated),
        sum(mos < POOR_MOS for mos in rated),
    )


Known = dict[tuple[int, int], tuple[int, Stretch]]
"""Stretches by their begin and width, each with the end of the time in which it was looked at."""


def over_time(store: VerdictStore, begin_ns: int, end_ns: int, known: Known | None = None) -> list[Stretch]:
    """Return samples of equal stretches of a time, of those that begin in it.

    `known` keeps them for the next time. As flows get their statistics when they end, a stretch is looked at again when
    its end is twice as long ago.
    """
    known = {} if known is None else known
    wide = max(1, (end_ns - begin_ns) // STRETCHES)
    found = []
    for begin in range(-(-begin_ns // wide) * wide, end_ns, wide):
        over_ns = begin + wide
        looked_ns, stretch = known.get((begin, wide), (begin, None))
        if stretch is None or looked_ns <= over_ns or end_ns - over_ns >= 2 * (looked_ns - over_ns):
            stretch = sample(store, begin, min(end_ns, over_ns))
            known[begin, wide] = end_ns, stretch
        found.append(stretch)
    return found


def quality_alarm(store: VerdictStore, end_ns: int) -> Alarm | None:
    """Return an alarm when twice as many flows of the last hour have a poor MOS as of the day before it."""
    hour = sample(store, end_ns - HOUR_NS, end_ns, FLOWS_OF_THE_HOUR)
    if hour.poor < LEAST_POOR:
        return None
    day = over_time(store, end_ns - DAY_NS, end_ns - HOUR_NS)
    rated = sum(each.rated for each in day)
    usual = sum(each.poor for each in day) / rated if rated else 0.0
    now = hour.poor / hour.rated
    if not rated or now <= TIMES_WORSE * usual:
        return None
    words = f"{now:.0%} of the last hour’s flows have a MOS below {POOR_MOS}, {usual:.0%} of the day’s"
    return Alarm("quality", words, f"/flows?q=mos<{POOR_MOS}")


def drift_alarms(store: VerdictStore, end_ns: int, cards: list[ModelCard]) -> list[Alarm]:
    """Return an alarm for each part of the day's verdicts that has moved away from the model's reference."""
    from callprint.core.identify.drift import measure  # noqa: PLC0415 - it loads compiled code, and only this asks
    from callprint.drift import from_verdicts  # noqa: PLC0415

    query = VerdictQuery(since_ns=end_ns - DAY_NS, until_ns=end_ns, limit=FLOWS_FOR_DRIFT)
    verdicts = [row.verdict for row in store.verdicts(query)]
    digest = next((each.model_digest for each in verdicts if each.model_digest), None)
    card = next((each for each in cards if each.digest == digest), None)
    if card is None or card.reference is None:
        return []
    compared = from_verdicts(verdicts, _Judge(card))
    return [
        Alarm(
            "drift",
            f"{part.part} of {part.flows:,} flows of the day differ from the model’s: {part.divergence:.2f}, "
            f"limit {part.limit:.2f}",
            "/models",
        )
        for part in measure(card.reference, card.classes, compared.sample)
        if part.alarm
    ]
