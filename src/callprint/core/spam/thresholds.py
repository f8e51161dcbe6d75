"""From a probability of spam to the action that the operator is advised to take."""

from dataclasses import dataclass

from callprint.core.call import Action
from callprint.core.ground.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probability of spam from which on an action is advised, and the share of spammers assumed at first."""

    watch: float = 0.5
    challenge: float = 0.9
    block: float = 0.99
    base_rate: float = 0.01

    def __post_init__(self) -> None:
        """Raise ConfigError when the thresholds do not rise."""
        if not 0.0 < self.watch <= self.challenge <= self.block < 1.0 or not 0.0 < self.base_rate < 1.0:
            raise ConfigError("spit thresholds must rise from watch to challenge to block, all within 0..1")

    def action(self, score: float) -> Action:
        """Return the action advised at this probability of spam."""
        if score >= self.block:
            return Action.BLOCK
        if score >= self.challenge:
            return Action.CHALLENGE
        return Action.WATCH if score >= self.watch else Action.ALLOW
