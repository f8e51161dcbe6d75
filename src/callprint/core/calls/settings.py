"""Limits and times of call assembly. All times are packet times."""

from dataclasses import dataclass

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

    def __post_init__(self) -> None:
        """Check every value."""
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

    @property
    def flow_settles_after_ns(self) -> int:
        """From a flow's last packet to the time at which it is joined with its call."""
        return round((self.flow_idle_timeout_s + self.settle_s) * 1e9)

    @property
    def call_waits_ns(self) -> int:
        """From a call's end to its judgement: long enough for flows that stop a little after BYE."""
        return self.flow_settles_after_ns + round(self.settle_s * 1e9)
