"""The settings of the topology: the keys `callprint.*` among its options.

They are in config.json, under an environment's `options`; `sparse submit -o KEY=VALUE` overrides them, and checks
them before it sends anything to Nimbus.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.detector_names import DETECTORS, OWN
from callprint.core.spam.fair_votes import VOTES_PER_DAY
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topic_names import DEAD_LETTERS, FEEDBACK, MEDIA, SIGNALLING, TopicNames
from callprint.numbering import numbering_plan

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
OPTION_OF_FIELD = {"signalling_topic": "signaling_topic"}
"""The options whose released spelling differs from the name of the field."""


@dataclass(frozen=True, slots=True)
class TopologySettings:
    """One field per key; `kafka.*` are the fields of KafkaSettings, `parallelism.*` has a key per component."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    store: str = "cassandra://127.0.0.1:9042/callprint"
    model: str = "models/compact.onnx"  # a path on the submitting machine; "none": statistics only
    model_from: str = BLOBSTORE  # or PATH: the same path on every worker
    media_topic: str = MEDIA
    signalling_topic: str = SIGNALLING
    feedback_topic: str = FEEDBACK
    dead_letter_topic: str = DEAD_LETTERS
    consumer_group: str = "callprint"
    assignment: str = STATIC
    maximum_in_flight: int = 64  # batches that a spout may have in flight
    source_timeout_s: float = 300.0  # an agent silent for this long has died: its pending flows are judged
    inference_threads: int = 1
    threshold: float = THRESHOLD_OF_CARD  # lowest confidence of a sure verdict, 0 to 1
    device: int = ANY_DEVICE  # the CUDA device of `identify_application`
    detector: str = OWN  # of spam calls, one of DETECTORS
    votes_per_day: int = VOTES_PER_DAY  # new votes of one user on one day that count
    region: str = ""  # where numbers are dialled, two letters of ISO 3166
    country_code: str = ""  # for numbers dialled without one
    # A file on every worker: with it, numbers are replaced by keyed digests before they are stored.
    pseudonym_key_file: str = ""
    keep_unknown_evidence: bool = False  # for research; payload can contain voice
    parallelism: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 1))

    def __post_init__(self) -> None:
        """Raise ConfigError naming the first key whose value is not allowed."""
        _one_of("assignment", self.assignment, ASSIGNMENTS)
        _one_of("model_from", self.model_from, (BLOBSTORE, PATH))
        _one_of("detector", self.detector, DETECTORS)
        _at_least("votes_per_day", self.votes_per_day, 1)
        try:
            numbering_plan(self.country_code, self.region)
        except ConfigError as error:
            raise ConfigError(f"{PREFIX}region, {PREFIX}country_code: {error}") from error
        _at_least("maximum_in_flight", self.maximum_in_flight, 1)
        _at_least("inference_threads", self.inference_threads, 1)
        if self.threshold != THRESHOLD_OF_CARD and not 0 <= self.threshold <= 1:
            raise ConfigError(f"{PREFIX}threshold must be between 0 and 1, not {self.threshold!r}")
        _at_least("device", self.device, ANY_DEVICE)
        _at_least("source_timeout_s", self.source_timeout_s, 30)  # a live agent sends its progress every 10 s
        if not self.store.startswith(("cassandra://", "sqlite:")):
            raise ConfigError(
                f"{PREFIX}store must be cassandra://HOST/KEYSPACE or sqlite:PATH, not {self.store!r}"
            )
        for component, tasks in self.parallelism.items():
            _one_of("parallelism", component, COMPONENTS)
            _at_least(f"parallelism.{component}", tasks, 1)

    @property
    def topics(self) -> TopicNames:
        """The names of all topics."""
        return TopicNames(
            self.media_topic, self.signalling_topic, self.feedback_topic, self.dead_letter_topic
        )

    def identity_reader(self) -> IdentityReader:
        """Return the reader of telephone numbers. Raises ConfigError when the key file is missing or too short."""
        key = None
        if self.pseudonym_key_file:
            try:
                key = Path(self.pseudonym_key_file).read_bytes().strip()
            except OSError as error:
                raise ConfigError(
                    f"{PREFIX}pseudonym_key_file {self.pseudonym_key_file}: {error.strerror}"
                ) from error
        return IdentityReader(numbering_plan(self.country_code, self.region), key)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "TopologySettings":
        """Read the keys `callprint.*` of a topology's options. Raises ConfigError that names the key."""
        plain: dict[str, Any] = {}
        kafka: dict[str, Any] = {}
        parallelism: dict[str, int] = dict.fromkeys(COMPONENTS, 1)
        groups = ("kafka", "parallelism")
        plain_fields = {
            OPTION_OF_FIELD.get(entry.name, entry.name): entry
            for entry in fields(cls)
            if entry.name not in groups
        }
        for option, value in options.items():
            if not option.startswith(PREFIX):
                continue
            name = option.removeprefix(PREFIX)
            group, _, key = name.partition(".")
            if group == "kafka" and key:
                kafka[key] = value
            elif group == "parallelism" and key:
                parallelism[key] = _typed(option, value, int)
            elif name in plain_fields:
                plain[plain_fields[name].name] = _typed(option, value, plain_fields[name].type)
            else:
                known = ", ".join(sorted(PREFIX + each for each in plain_fields))
                raise ConfigError(
                    f"{option} is not a setting; there are {known}, {PREFIX}kafka.*, {PREFIX}parallelism.*"
                )
        try:
            brokers = KafkaSettings.from_mapping(kafka)
        except ConfigError as error:
            raise ConfigError(f"{PREFIX}{error}") from error
        return cls(kafka=brokers, parallelism=parallelism, **plain)


def topic_options(names: TopicNames) -> dict[str, str]:
    """Return the options that make a topology use these topics."""
    return {
        f"{PREFIX}media_topic": names.media,
        f"{PREFIX}signaling_topic": names.signalling,
        f"{PREFIX}feedback_topic": names.feedback,
        f"{PREFIX}dead_letter_topic": names.dead_letters,
    }


def _typed(option: str, value: object, wanted: Any) -> Any:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise ConfigError(f"{option} must be of type {wanted.__name__}, not {value!r}")
    return value


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{PREFIX}{name} must be one of {', '.join(known)}, not {value!r}")


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:  # also no number (NaN), as JSON in Python may have it
        raise ConfigError(f"{PREFIX}{name} must be a number of at least {least}, not {value!r}")
