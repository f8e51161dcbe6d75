"""Legitimate calls of a simulated population: persons with circles of friends, and businesses that call many.

Everything is drawn as call events (who, whom, when, how it ended, how much media); features emerge from the
events through the same `CallHistory` that serves live calls. The laws and their parameters are documented in
docs/how/spit-algorithms.md; none of them is fitted to a measurement.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callprint.core.calls.facts import ATTESTATION_MISSING, CALL, ENDED_BY_CALLEE, ENDED_BY_CALLER

SECOND_NS = 1_000_000_000
EPOCH_NS = 1_767_571_200 * SECOND_NS  # a Monday, 00:00 UTC: simulated days begin here
COMMUNITY = 24  # persons who mostly call each other
BLOCK = 1_000  # persons of one area code
NUMBER_STEP = 37  # every 37th number of an area's range is assigned
COUNTRY = 49

Integers = NDArray[np.int64]
Calls = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Legitimate:
    """Parameters of the legitimate calls."""

    calls: int
    persons: int
    days: float = 1.0
    office_hours_only: bool = False  # a laboratory trace: eight hours of even traffic
    circle_share: float = 0.85  # of a person's calls go to the circle of friends
    business_share: float = 0.15  # of all calls come from businesses
    businesses: int = 12
    answered: float = 0.68
    talk_median_s: float = 70.0
    talk_sigma: float = 1.2
    short_share: float = 0.12  # of answered calls are short (voice mail, "call you back"): mean 6 s
    callee_hangs_up: float = 0.45
    suppressed: float = 0.3  # share of telephones that send nothing while their user is silent
    signed: float = 0.75  # share of calls with STIR/SHAKEN attestation


@dataclass(frozen=True, slots=True)
class Population:
    """Who lives here: person i has `numbers[i]`, and is reached from `networks[i]`."""

    numbers: Integers  # (persons,) E.164 digits as a number
    by_place: Integers  # (persons,) person of each place in the numbering range, for sequential dialling
    networks: NDArray[np.uint64]  # (persons,) campaign key: access network and kind of telephone
    rates: NDArray[np.float64]  # (persons,) relative call rate
    silence_suppressed: NDArray[np.bool_]  # (persons,) telephone sends nothing while its user is silent


def number_of_place(place: Integers) -> Integers:
    """Return the telephone number of each place in the numbering range."""
    area, inside = np.divmod(place, BLOCK)
    return (COUNTRY * 1_000 + 100 + area % 900) * 10_000_000 + 2_000_000 + inside * NUMBER_STEP


def key_of_number(numbers: Integers) -> NDArray[np.uint64]:
    """Return a stable identity for each number: a 64-bit mixing step (splitmix64), never 0."""
    mixed = numbers.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)


def populate(law: Legitimate, random: np.random.Generator) -> Population:
    """Draw a population."""
    persons = np.arange(law.persons)
    place = np.concatenate(
        [
            start + random.permutation(min(BLOCK, law.persons - start))
            for start in range(0, law.persons, BLOCK)
        ]
    )
    by_place = np.empty_like(place)
    by_place[place] = persons
    # Persons of one network have one of twelve kinds of telephone; a fifth comes in over two shared trunks,
    # whose border controller makes all telephones look alike.
    network = key_of_number(10_000_000_000_000 + persons // 40 * 12 + random.integers(0, 12, law.persons))
    trunk = key_of_number(20_000_000_000_000 + random.integers(0, 2, law.persons))
    return Population(
        number_of_place(place),
        by_place,
        np.where(random.random(law.persons) < 0.2, trunk, network),
        random.lognormal(0.0, 0.8, law.persons),
        random.random(law.persons) < law.suppressed,
    )


def start_times_ns(law: Legitimate, count: int, random: np.random.Generator) -> Integers:
    """Draw when calls begin: two humps at 11 and 18 h, or even office hours."""
    day = np.floor(random.random(count) * max(law.days, 1.0)) * 86_400
    if law.office_hours_only:
        second = 9 * 3_600 + random.random(count) * 8 * 3_600 * min(law.days, 1.0)
    else:
        hour = np.where(
            random.random(count) < 0.55, random.normal(11, 2, count), random.normal(18, 2.2, count)
        )
        second = np.where((hour > 6) & (hour < 23.5), hour, random.uniform(7, 22, count)) * 3_600
    return EPOCH_NS + ((day + second) * 1e9).astype(np.int64)


def legitimate_calls(law: Legitimate, people: Population, random: np.random.Generator) -> Calls:
    """Draw the legitimate calls as `CALL` rows, unsorted."""
    from_business = round(law.calls * law.business_share) if law.businesses else 0
    return np.concatenate(
        [
            _person_calls(law, people, law.calls - from_business, random),
            _business_calls(law, people, from_business, random),
        ]
    )


def _person_calls(law: Legitimate, people: Population, count: int, random: np.random.Generator) -> Calls:
    persons = len(people.rates)
    caller = random.choice(persons, count, p=people.rates / people.rates.sum())
    home = caller // COMMUNITY * COMMUNITY
    reach = np.minimum(COMMUNITY, persons - home)
    steps = random.geometric(0.25, count) * random.choice([-1, 1], count)
    friend = home + (caller - home + steps) % reach
    callee = np.where(random.random(count) < law.circle_share, friend, random.integers(0, persons, count))
    callee = np.where(callee == caller, (callee + 1) % persons, callee)
    calls = np.zeros(count, CALL)
    calls["caller_number"], calls["callee_number"] = people.numbers[caller], people.numbers[callee]
    calls["campaign"] = people.networks[caller]
    calls["started_ns"] = start_times_ns(law, count, random)
    talk_s = random.lognormal(np.log(law.talk_median_s), law.talk_sigma, count)
    short = random.random(count) < law.short_share
    talk_s[short] = random.exponential(6.0, int(short.sum()))
    outcomes(calls, talk_s, law.answered, 0.02, law.callee_hangs_up, random)
    media(calls, people.silence_suppressed[caller], people.silence_suppressed[callee], 0.5, 3.0, random)
    attestations(calls, law.signed, (0.65, 0.27, 0.08), random)
    return calls


def _business_calls(law: Legitimate, people: Population, count: int, random: np.random.Generator) -> Calls:
    """Call centres, couriers and reminder services: many calls, to many, often short: the hard negatives."""
    calls = np.zeros(count, CALL)
    if count == 0:
        return calls
    firm = random.choice(law.businesses, count, p=_shares(law.businesses, random))
    kind = firm % 3  # 0 call centre, 1 courier or taxi, 2 reminder service (a machine)
    regular_customer = random.random(count) < np.array([0.25, 0.02, 0.5])[kind]
    persons = len(people.rates)
    customers = (firm * 131 + random.integers(0, 40, count)) % persons
    callee = np.where(regular_customer, customers, random.integers(0, persons, count))
    calls["caller_number"] = number_of_place(firm * 97 % persons) + 18
    calls["callee_number"] = people.numbers[callee]
    calls["campaign"] = key_of_number(30_000_000_000_000 + firm)
    calls["started_ns"] = start_times_ns(law, count, random)
    talk_s = random.lognormal(np.log(np.array([90.0, 14.0, 18.0])[kind]), np.array([0.9, 0.7, 0.4])[kind])
    outcomes(calls, talk_s, law.answered, 0.03, np.array([0.4, 0.5, 0.25])[kind], random)
    media(calls, np.zeros(count, bool), people.silence_suppressed[callee], 0.6, 2.0, random)
    attestations(calls, law.signed, (0.5, 0.35, 0.15), random)
    return calls


def _shares(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    weights = random.lognormal(0.0, 0.6, count)
    return np.asarray(weights / weights.sum())


def outcomes(
    calls: Calls,
    talk_s: NDArray[np.float64],
    answered: float,
    unassigned: float,
    callee_hangs_up: float | NDArray[np.float64],
    random: np.random.Generator,
) -> None:
    """Decide how calls end: answered, else to nobody (404), cancelled by the caller (487), busy or declined."""
    count = len(calls)
    chance = random.random(count)
    to_nobody = chance < unassigned
    picked_up = ~to_nobody & (chance < unassigned + answered)
    cancelled = ~to_nobody & ~picked_up & (random.random(count) < 0.6)
    ring_s = np.where(
        picked_up, random.lognormal(np.log(8.0), 0.5, count), random.lognormal(np.log(20.0), 0.4)
    )
    ring_s = np.where(to_nobody, random.uniform(0.3, 2.0, count), ring_s)
    refused = ~to_nobody & ~picked_up & ~cancelled
    ring_s = np.where(refused, random.lognormal(np.log(3.0), 0.8, count), ring_s)
    after_ring = calls["started_ns"] + (ring_s * 1e9).astype(np.int64)
    calls["answered_ns"] = np.where(picked_up, after_ring, 0)
    calls["ended_ns"] = after_ring + np.where(picked_up, (talk_s * 1e9).astype(np.int64), 0)
    busy = np.where(random.random(count) < 0.6, 486, np.where(random.random(count) < 0.5, 603, 480))
    calls["status"] = np.select([picked_up, to_nobody, cancelled], [200, 404, 487], busy)
    by_callee = random.random(count) < callee_hangs_up
    calls["ended_by"] = np.select(
        [picked_up & by_callee, picked_up | cancelled], [ENDED_BY_CALLEE, ENDED_BY_CALLER], ENDED_BY_CALLEE
    )
    calls["caller"] = key_of_number(calls["caller_number"])
    calls["callee"] = key_of_number(calls["callee_number"])


def media(
    calls: Calls,
    caller_suppresses: NDArray[np.bool_],
    callee_suppresses: NDArray[np.bool_],
    caller_talks: float,
    jitter_median_ms: float,
    random: np.random.Generator,
) -> None:
    """Draw RTP counters: 50 packets/s of 160 bytes, only while talking where silence is suppressed."""
    talk_s = np.where(calls["answered_ns"] > 0, (calls["ended_ns"] - calls["answered_ns"]) * 1e-9, 0.0)
    share = np.clip(random.normal(caller_talks, 0.15, len(calls)), 0.05, 0.95)
    caller_active = np.where(caller_suppresses, share, 1.0)
    callee_active = np.where(callee_suppresses, 1.0 - share, 1.0)
    for side, active in (("caller", caller_active), ("callee", callee_active)):
        lost = np.clip(random.exponential(0.005, len(calls)), 0.0, 0.2)
        calls[f"{side}_packets"] = (50.0 * talk_s * active * (1.0 - lost)).astype(np.int64)
        calls[f"{side}_bytes"] = calls[f"{side}_packets"].astype(np.int64) * 160
    jitter_ms = random.lognormal(np.log(jitter_median_ms), 0.7, len(calls))
    calls["caller_jitter_ms"] = np.where(calls["caller_packets"] > 0, jitter_ms, np.nan)


def attestations(
    calls: Calls, signed: float, levels: tuple[float, float, float], random: np.random.Generator
) -> None:
    """Draw STIR/SHAKEN attestation: missing, else A, B or C with the given shares."""
    level = random.choice([1, 2, 3], len(calls), p=levels)
    calls["attestation"] = np.where(random.random(len(calls)) < signed, level, ATTESTATION_MISSING)
