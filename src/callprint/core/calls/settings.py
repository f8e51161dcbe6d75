"""Limits and times of call assembly. All times are packet times."""

from dataclasses import dataclass, field

from callprint.core.ground.errors import ConfigError

NEVER_NS = 1 << 62
"""Later than any packet."""

RUNNING_EVERY_NS = 60_000_000_000
"""Period of the marks in packet time at which calls learn which of their flows go on."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How long to wait and how much to keep. Raises ConfigError that names the first impossible setting."""

    maximum_calls: int = 100_000
    maximum_call_bytes: int = 1 << 30  # of memory, roughly: a call takes 3 KB, or 100 with many candidates
    maximum_flows: int = 65_536  # ended flows that wait for their call
    maximum_streams: int = 4_096  # TCP directions with signalling
    setup_timeout_s: float = 200.0  # unanswered and silent; Timer C of a proxy is above 180 s (RFC 3261 16.6)
    retry_timeout_s: float = 32.0  # after a refusal, CANCEL or BYE that may not be the end (64 * T1)
    answered_timeout_s: float = 4 * 3600.0  # answered, and no SIP message since
    flow_idle_timeout_s: float = 60.0  # the flow engine's own: after it, a flow that stopped was reported
    settle_s: float = 5.0  # how much later than that a report may come
    # The same in nanoseconds, for what every message asks.
    setup_timeout_ns: int = field(init=False, repr=False, compare=False)
    retry_timeout_ns: int = field(init=False, repr=False, compare=False)
    answered_timeout_ns: int = field(init=False, repr=False, compare=False)
    flow_settles_after_ns: int = field(init=False, repr=False, compare=False)
    """From a flow's last packet to the time at which it is joined with its call."""
    call_waits_ns: int = field(init=False, repr=False, compare=False)
    """From a call's end to its judgement: long enough for flows that stop a little after BYE."""

    def __post_init__(self) -> None:
        """Check every value, and count the times in nanoseconds."""
        for name in ("maximum_calls", "maximum_call_bytes", "maximum_flows", "maximum_streams"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in (
            "setup_timeout_s",
            "retry_timeout_s",
            "answered_timeout_s",
            "flow_idle_timeout_s",
            "settle_s",
        ):
            if not 0 < getattr(self, name) <= 1e6:
                raise ConfigError(f"{name} must be above 0 and at most a million seconds")
        settles_ns = _ns(self.flow_idle_timeout_s + self.settle_s)
        for name, time_ns in (
            ("setup_timeout_ns", _ns(self.setup_timeout_s)),
            ("retry_timeout_ns", _ns(self.retry_timeout_s)),
            ("answered_timeout_ns", _ns(self.answered_timeout_s)),
            ("flow_settles_after_ns", settles_ns),
            ("call_waits_ns", settles_ns + _ns(self.settle_s)),
        ):
            object.__setattr__(self, name, time_ns)  # of a frozen value that is being made


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
