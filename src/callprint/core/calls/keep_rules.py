"""Which calls are kept with their packets: rules about how a call ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from callprint.core.call import Action, CallRecord
from callprint.core.ground.errors import ConfigError
from callprint.core.verdict import UNKNOWN

ALL, SPAM, QUALITY, UNKNOWN_APPLICATION = "all", "spam", "quality", UNKNOWN
DEFAULT_MOS = 3.5
RULES = (SPAM, QUALITY, UNKNOWN_APPLICATION, ALL)


@dataclass(frozen=True, slots=True)
class KeepRules:
    """A call that meets one of them is kept; without any, none is."""

    names: frozenset[str] = frozenset()
    below_mos: float = DEFAULT_MOS

    @classmethod
    def parsed(cls, words: Sequence[str]) -> "KeepRules":
        """Return the rules in words such as `spam`, `quality` or `quality:3.2`. Raises ConfigError for others."""
        names, below = set(), DEFAULT_MOS
        for word in words:
            name, colon, number = word.partition(":")
            if name not in RULES or (colon and name != QUALITY):
                raise ConfigError(f"no rule {word!r:.40}: there are {', '.join(RULES)} and {QUALITY}:MOS")
            names.add(name)
            if colon:
                below = _mos(number)
        return cls(frozenset(names), below)

    def meets(self, call: CallRecord) -> bool:
        """Return whether a call that has ended is to be kept."""
        ratings = [mos for mos in (call.caller_mos, call.callee_mos) if mos is not None]
        applications = (call.caller_application, call.callee_application)
        return (
            ALL in self.names
            or (SPAM in self.names and call.action is not Action.ALLOW)
            or (QUALITY in self.names and any(mos < self.below_mos for mos in ratings))
            or (UNKNOWN_APPLICATION in self.names and UNKNOWN in applications)
        )


def _mos(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 < number <= 5:
        raise ConfigError(f"{QUALITY}:{text:.20} names no MOS: it lies between 1 and 5, as in {QUALITY}:3.5")
    return number
