"""A network that fails at run time must not end its worker: Storm would bring the same evidence again, for ever."""

import logging

import numpy as np

from callprint.core.flow.layout import NO_APPLICATION
from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import ModelError
from callprint.core.identify.decision import LOW_CONFIDENCE, Decisions
from callprint.core.verdicts.identifier import Identifier, Judgements
from callprint.topology.milestones import Milestones

log = logging.getLogger(__name__)

MOST_FAILURES = 32
"""Failed runs after which the rest of what was asked together is given up: enough to find two bad logs among 10,000."""


class SteadyIdentifier:
    """An identifier that judges everything that its network can judge.

    When a run fails, its logs are divided until those at fault are alone. Of these it says "unknown", with confidence 0
    and no best application; `failed` counts them.
    """

    def __init__(self, identifier: Identifier) -> None:
        self.name = identifier.name
        self.digest = identifier.digest
        self.applications = identifier.applications
        self.engines = identifier.engines
        self.minimum_k = identifier.minimum_k
        self.failed = 0
        self._identifier = identifier
        self._milestones = Milestones()

    def identify(self, evidence: Array, spans: Array) -> Judgements:
        """Judge the logs evidence[spans[i, 0]:spans[i, 1]], as the identifier itself does where it can."""
        answers = Decisions(
            np.full(len(spans), NO_APPLICATION, np.int16),
            np.zeros(len(spans), np.float32),
            np.full(len(spans), LOW_CONFIDENCE, np.uint8),
            np.full(len(spans), NO_APPLICATION, np.int16),
            np.zeros(len(spans), np.float32),
        )
        waiting = [slice(0, len(spans))]
        failures = 0
        while waiting:
            some = waiting.pop()
            try:
                judged = self._identifier.identify(evidence, spans[some])
            except ModelError as error:
                failures += 1
                middle = (some.start + some.stop) // 2
                if middle > some.start and failures < MOST_FAILURES:
                    waiting += [slice(middle, some.stop), slice(some.start, middle)]
                else:
                    self._give_up(some.stop - some.start, error)
            else:
                for name in Decisions.__slots__:
                    getattr(answers, name)[some] = getattr(judged, name)
        return answers

    def _give_up(self, logs: int, error: ModelError) -> None:
        self.failed += logs
        if self._milestones.reached(self.failed):
            log.error("%d verdicts are unknown because %s failed: %s", self.failed, self.name, error)
