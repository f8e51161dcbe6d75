"""Labelled call traces: the paper's v4 to v7 in spirit, four modern ones, and random ones to learn from.

The generator keeps what the paper tells about its traces: 212 SPIT calls in v4 and 45 in v5; in v5 the same
inter-arrival times for both kinds, and SPIT almost indistinguishable from short legitimate calls; order of
difficulty v4, v6, v7, v5. Everything else about them is our choice.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from callprint.core.calls.facts import CALL
from callprint.core.ground.errors import ConfigError
from callprint.core.spam.histories import CallHistory
from callprint.lab.spam.population import (
    EPOCH_NS,
    Calls,
    Integers,
    Legitimate,
    Population,
    attestations,
    key_of_number,
    legitimate_calls,
    media,
    number_of_place,
    outcomes,
    populate,
    start_times_ns,
)

COMMUNITY_FLOOR = 48  # persons at least
UNASSIGNED_STATUS = 404


@dataclass(frozen=True, slots=True)
class Campaign:
    """Parameters of one spammer."""

    calls: int
    sources: int = 1  # caller numbers in use at a time
    rotate_after: int = 0  # calls after which a source takes a new number; 0 never
    gap_s: float = 0.0  # mean gap between the calls of a source; 0: whenever legitimate callers call
    regular: float = 0.0  # 0 Poisson gaps ... 1 a metronome
    answered: float = 0.5
    unassigned: float = 0.1
    talk_median_s: float = 6.0
    talk_sigma: float = 0.6
    callee_hangs_up: float = 0.85
    caller_talks: float = 0.8
    sequential: bool = False  # dials neighbouring numbers one after the other
    neighbour_digits: int = 0  # trailing digits in which the spoofed caller number differs from the callee's
    behind_trunk: bool = False  # comes in over a trunk that legitimate callers share
    own_network: bool = True  # its calls share what a campaign key is made of
    signed: float = 0.5
    jitter_median_ms: float = 2.0


@dataclass(frozen=True, slots=True)
class Trace:
    """Calls in the order of their beginning, and the truth about them."""

    name: str
    calls: Calls  # (n,) CALL rows
    spam: NDArray[np.bool_]  # (n,)
    vectors: NDArray[np.float64]  # (n, FEATURE_COUNT) raw, each as it was known at the call's end


LABORATORY = Legitimate(
    calls=788,
    persons=72,
    office_hours_only=True,
    circle_share=0.35,
    business_share=0.0,
    businesses=0,
    suppressed=1.0,
    signed=0.0,
)
OPERATOR = Legitimate(calls=3_000, persons=1_500)
LIKE_A_PERSON = Campaign(
    calls=120,
    sources=6,
    gap_s=1_500,
    answered=0.66,
    unassigned=0.02,
    talk_median_s=65,
    talk_sigma=1.2,
    callee_hangs_up=0.5,
    caller_talks=0.5,
    signed=0.75,
    jitter_median_ms=3.0,
    behind_trunk=True,
)
TESTBED = Campaign(calls=120, sources=6, answered=0.68, talk_sigma=0.9, own_network=False, signed=0.0)
"""A spammer of the laboratory traces; nobody signed calls in 2009."""

TRACES: dict[str, tuple[Legitimate, tuple[Campaign, ...]]] = {
    # The testbed traces: few callers, one day of work.
    "v4": (LABORATORY, (Campaign(212, sources=4, gap_s=240, talk_median_s=7, answered=0.7, signed=0.0),)),
    "v5": (
        replace(LABORATORY, calls=955, short_share=0.55),
        (
            replace(
                TESTBED,
                calls=45,
                sources=4,
                unassigned=0.02,
                callee_hangs_up=0.5,
                caller_talks=0.55,
                jitter_median_ms=3.0,
            ),
        ),
    ),
    "v6": (
        LABORATORY,
        (
            Campaign(
                160,
                sources=5,
                gap_s=480,
                talk_median_s=9,
                talk_sigma=0.8,
                answered=0.68,
                unassigned=0.06,
                callee_hangs_up=0.75,
                signed=0.0,
            ),
        ),
    ),
    "v7": (
        LABORATORY,
        (
            replace(
                TESTBED, gap_s=900, talk_median_s=14, unassigned=0.04, callee_hangs_up=0.65, caller_talks=0.7
            ),
        ),
    ),
    # Modern traces: an operator's day, businesses among the legitimate callers.
    "rotating": (
        OPERATOR,
        (Campaign(150, sources=3, rotate_after=2, gap_s=60, talk_median_s=7, answered=0.4),),
    ),
    "neighbour": (
        OPERATOR,
        (Campaign(150, sources=2, rotate_after=1, gap_s=45, neighbour_digits=4, behind_trunk=True),),
    ),
    "mimicry": (OPERATOR, (LIKE_A_PERSON,)),
    "one-in-1000": (
        Legitimate(20_000, 8_000, businesses=40),
        (
            Campaign(
                20, sources=1, rotate_after=5, gap_s=300, talk_median_s=8, answered=0.5, callee_hangs_up=0.8
            ),
        ),
    ),
}
"""The named traces, from easy to hard in each group."""


def named_trace(name: str, seed: int) -> Trace:
    """Draw a named trace. Raises ConfigError when there is none of that name."""
    if name not in TRACES:
        raise ConfigError(f"no trace {name!r}; there are: {', '.join(TRACES)}")
    law, campaigns = TRACES[name]
    return draw_trace(name, law, campaigns, seed)


def draw_trace(name: str, law: Legitimate, campaigns: tuple[Campaign, ...], seed: int) -> Trace:
    """Draw a trace: the population, its calls and the spammers' calls, mixed in the order of time."""
    random = np.random.default_rng([seed, *name.encode()])
    people = populate(law, random)
    parts = [legitimate_calls(law, people, random)]
    parts += [campaign_calls(number, plan, law, people, random) for number, plan in enumerate(campaigns)]
    calls = np.concatenate(parts)
    spam = np.arange(len(calls)) >= len(parts[0])
    order = np.argsort(calls["started_ns"], kind="stable")
    calls, spam = calls[order], spam[order]
    # Four rows for each key on average, so that full sets (and evictions) stay rare.
    vectors = CallHistory(capacity=2 * (law.persons + sum(plan.calls for plan in campaigns))).replay(calls)
    return Trace(name, calls, spam, vectors)


def random_plan(seed: int) -> tuple[Legitimate, tuple[Campaign, ...]]:
    """Draw the parameters of a trace to learn from: wide ranges around and beyond the named traces.

    No named trace is among them, and none was tuned on what a detector made of it.
    """
    random = np.random.default_rng([seed, 77])
    laboratory = random.random() < 0.4
    calls = int(random.integers(500, 3_000))
    law = Legitimate(
        calls=calls,
        persons=int(calls / random.uniform(2, 14)) + COMMUNITY_FLOOR,
        days=float(random.choice([1.0, 1.0, 2.0])),
        office_hours_only=bool(laboratory),
        circle_share=random.uniform(0.25, 0.95),
        business_share=0.0 if laboratory else random.uniform(0.05, 0.3),
        businesses=int(random.integers(3, 25)),
        answered=random.uniform(0.55, 0.8),
        talk_median_s=random.uniform(30, 120),
        talk_sigma=random.uniform(0.9, 1.4),
        short_share=random.choice([random.uniform(0.05, 0.2), random.uniform(0.2, 0.6)]),
        callee_hangs_up=random.uniform(0.35, 0.55),
        suppressed=float(random.choice([0.0, 0.3, 0.5, 1.0])),
        signed=0.0 if laboratory else random.uniform(0.3, 0.9),
    )
    kinds = int(random.integers(1, 4))
    return law, tuple(_random_campaign(law, random) for _ in range(kinds))


def _random_campaign(law: Legitimate, random: np.random.Generator) -> Campaign:
    human = random.random() < 0.35  # tries to look like a person
    return Campaign(
        calls=int(np.exp(random.uniform(np.log(8), np.log(law.calls / 6)))),
        sources=int(random.integers(1, 9)),
        rotate_after=int(random.choice([0, 0, 0, 1, 2, 5, 10])),
        gap_s=0.0
        if human and random.random() < 0.5
        else float(np.exp(random.uniform(np.log(15), np.log(1_800)))),
        regular=random.choice([0.0, 0.0, random.random()]),
        answered=random.uniform(0.55, 0.75) if human else random.uniform(0.25, 0.75),
        unassigned=random.uniform(0.0, 0.04) if human else random.uniform(0.0, 0.3),
        talk_median_s=random.uniform(20, 90)
        if human
        else float(np.exp(random.uniform(np.log(3), np.log(25)))),
        talk_sigma=random.uniform(0.4, 1.3),
        callee_hangs_up=random.uniform(0.4, 0.7) if human else random.uniform(0.55, 0.97),
        caller_talks=random.uniform(0.5, 0.7) if human else random.uniform(0.55, 0.95),
        sequential=bool(random.random() < 0.2),
        neighbour_digits=int(random.choice([0, 0, 0, 3, 4, 5])),
        behind_trunk=bool(random.random() < 0.35),
        own_network=bool(random.random() < 0.7),
        signed=law.signed * random.uniform(0.2, 1.0),
        jitter_median_ms=random.uniform(1.0, 3.5),
    )


def campaign_calls(
    number: int, plan: Campaign, law: Legitimate, people: Population, random: np.random.Generator
) -> Calls:
    """Draw the calls of one spammer, the `number`-th, as `CALL` rows, unsorted."""
    count = plan.calls
    calls = np.zeros(count, CALL)
    source = np.arange(count) % plan.sources
    turn = np.arange(count) // plan.sources  # how many calls this source made before
    calls["started_ns"] = _campaign_times(plan, law, source, random)
    persons = len(people.rates)
    if plan.sequential:
        callee = people.by_place[(random.integers(0, persons) + np.arange(count)) % persons]
    else:
        callee = random.integers(0, persons, count)
    calls["callee_number"] = people.numbers[callee]
    generation = turn // plan.rotate_after if plan.rotate_after else np.zeros_like(turn)
    identity = key_of_number(
        (number * 1_000 + source) * 1_000_000 + generation + int(random.integers(1 << 40))
    )
    area = number_of_place((identity % np.uint64(persons)).astype(np.int64))
    # Between the assigned numbers: a spammer's number looks like any other.
    calls["caller_number"] = area + 1 + (identity % np.uint64(36)).astype(np.int64)
    if plan.neighbour_digits:
        modulus = 10**plan.neighbour_digits
        tail = (identity % np.uint64(modulus)).astype(np.int64)
        calls["caller_number"] = calls["callee_number"] // modulus * modulus + tail
    if plan.behind_trunk:
        calls["campaign"] = key_of_number(np.array([20_000_000_000_000]))[0]
    elif plan.own_network:
        calls["campaign"] = key_of_number(np.array([40_000_000_000_000 + random.integers(1 << 30)]))[0]
    else:
        calls["campaign"] = people.networks[(source * 41 + number * 7) % persons]
    talk_s = random.lognormal(np.log(plan.talk_median_s), plan.talk_sigma, count)
    outcomes(calls, talk_s, plan.answered, plan.unassigned, plan.callee_hangs_up, random)
    nobody = calls["status"] == UNASSIGNED_STATUS
    calls["callee_number"][nobody] += random.integers(1, 37, int(nobody.sum()))
    calls["callee"] = key_of_number(calls["callee_number"])
    media(
        calls,
        random.random(count) < law.suppressed,
        people.silence_suppressed[callee],
        plan.caller_talks,
        plan.jitter_median_ms,
        random,
    )
    attestations(calls, plan.signed, (0.25, 0.35, 0.4), random)
    return calls


def _campaign_times(
    plan: Campaign, law: Legitimate, source: Integers, random: np.random.Generator
) -> Integers:
    if plan.gap_s == 0.0:
        return start_times_ns(law, plan.calls, random)
    gaps_s = plan.gap_s * (plan.regular + (1.0 - plan.regular) * random.exponential(1.0, plan.calls))
    since_begin_s = np.zeros(plan.calls)
    for one in range(plan.sources):
        since_begin_s[source == one] = np.cumsum(gaps_s[source == one])
    # Begins anywhere in the day that still lets it finish within it, so that the hour gives nothing away.
    slack_s = max(8 * 3_600 - plan.gap_s * plan.calls / plan.sources, 600.0)
    begin_s = 9 * 3_600 + random.uniform(0.0, slack_s, plan.sources)
    return EPOCH_NS + ((begin_s[source] + since_begin_s) * 1e9).astype(np.int64)
