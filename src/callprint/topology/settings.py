"""The settings of the topology: keys `callprint.*` among its options.

They stand in config.json under an environment's `options`, and `sparse submit -o KEY=VALUE` overrides them.
`sparse submit` checks them before anything is sent to Nimbus.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.identity import IdentityReader, NumberingPlan
from callprint.core.spam.detector_names import DETECTORS, OWN
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topics import DEAD_LETTERS, FEEDBACK, MEDIA, SIGNALING

PREFIX = "callprint."
STATIC, GROUP = "static", "group"
BLOBSTORE, PATH = "blobstore", "path"
THRESHOLD_OF_CARD = -1.0
ANY_DEVICE = -1
ASSIGNMENTS = (STATIC, GROUP)
COMPONENTS = (
    *("media_spout", "assemble_flows", "identify_application", "store_verdicts"),
    *("signaling_spout", "judge_calls", "feedback_spout", "keep_feedback"),
)


@dataclass(frozen=True, slots=True)
class TopologySettings:
    """One value for each key; `kafka.*` are the fields of KafkaSettings, `parallelism.*` one for each component."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    store: str = "cassandra://127.0.0.1:9042/callprint"
    model: str = "models/compact.onnx"  # a path on the submitting machine; "none": statistics alone
    model_from: str = BLOBSTORE  # or PATH: the same path on every worker
    media_topic: str = MEDIA
    signaling_topic: str = SIGNALING
    feedback_topic: str = FEEDBACK
    dead_letter_topic: str = DEAD_LETTERS
    consumer_group: str = "callprint"
    assignment: str = STATIC
    maximum_in_flight: int = 32  # batches that a spout has out
    source_timeout_s: float = 300.0  # an agent silent for so long has died: its pending flows are judged
    inference_threads: int = 1
    threshold: float = THRESHOLD_OF_CARD  # least confidence of a sure verdict, 0 to 1
    device: int = ANY_DEVICE  # number of the CUDA device of `identify_application`
    detector: str = OWN  # of spam calls: DETECTORS
    country_code: str = ""  # of numbers dialled without one
    pseudonym_key_file: str = (
        ""  # on every worker; numbers are replaced by keyed digests before they are stored
    )
    keep_unknown_evidence: bool = False  # for research; payload can hold voice
    parallelism: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 1))

    def __post_init__(self) -> None:
        """Raise ConfigError naming the first key that cannot be."""
        _one_of("assignment", self.assignment, ASSIGNMENTS)
        _one_of("model_from", self.model_from, (BLOBSTORE, PATH))
        _one_of("detector", self.detector, DETECTORS)
        if self.country_code and not (self.country_code.isascii() and self.country_code.isdigit()):
            raise ConfigError(f"{PREFIX}country_code must be digits, not {self.country_code!r}")
        _at_least("maximum_in_flight", self.maximum_in_flight, 1)
        _at_least("inference_threads", self.inference_threads, 1)
        if self.threshold != THRESHOLD_OF_CARD and not 0 <= self.threshold <= 1:
            raise ConfigError(f"{PREFIX}threshold must be between 0 and 1, not {self.threshold!r}")
        _at_least("device", self.device, ANY_DEVICE)
        _at_least("source_timeout_s", self.source_timeout_s, 30)  # agents give a sign of life every 10 s
        if not self.store.startswith(("cassandra://", "sqlite:")):
            raise ConfigError(
                f"{PREFIX}store must be cassandra://HOST/KEYSPACE or sqlite:PATH, not {self.store!r}"
            )
        for component, tasks in self.parallelism.items():
            _one_of("parallelism", component, COMPONENTS)
            _at_least(f"parallelism.{component}", tasks, 1)

    def identity_reader(self) -> IdentityReader:
        """Return the reader of telephone numbers. Raises ConfigError when the key file is not here or too short."""
        key = None
        if self.pseudonym_key_file:
            try:
                key = Path(self.pseudonym_key_file).read_bytes().strip()
            except OSError as error:
                raise ConfigError(
                    f"{PREFIX}pseudonym_key_file {self.pseudonym_key_file}: {error.strerror}"
                ) from error
        return IdentityReader(NumberingPlan(self.country_code), key)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "TopologySettings":
        """Read the keys `callprint.*` of a topology's options. Raises ConfigError that names the key."""
        plain: dict[str, Any] = {}
        kafka: dict[str, Any] = {}
        parallelism: dict[str, int] = dict.fromkeys(COMPONENTS, 1)
        types: dict[str, Any] = {entry.name: entry.type for entry in fields(cls)}
        for option, value in options.items():
            if not option.startswith(PREFIX):
                continue
            name = option.removeprefix(PREFIX)
            group, _, key = name.partition(".")
            if group == "kafka" and key:
                kafka[key] = value
            elif group == "parallelism" and key:
                parallelism[key] = value
            elif name not in types or name in ("kafka", "parallelism"):
                known = ", ".join(
                    sorted(PREFIX + each for each in types if each not in ("kafka", "parallelism"))
                )
                raise ConfigError(
                    f"{option} is no setting; there are {known}, {PREFIX}kafka.*, {PREFIX}parallelism.*"
                )
            else:
                plain[name] = _typed(option, value, types[name])
        try:
            brokers = KafkaSettings.from_mapping(kafka)
        except ConfigError as error:
            raise ConfigError(f"{PREFIX}{error}") from error
        return cls(kafka=brokers, parallelism=parallelism, **plain)


def _typed(option: str, value: object, wanted: type) -> object:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise ConfigError(f"{option} must be of type {wanted.__name__}, not {value!r}")
    return value


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{PREFIX}{name} must be one of {', '.join(known)}, not {value!r}")


def _at_least(name: str, value: float, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
        raise ConfigError(f"{PREFIX}{name} must be a number of at least {least}, not {value!r}")
