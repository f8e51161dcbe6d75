"""The names of the topics: apart from what needs the Kafka client, so that the help of a command does without it."""

from typing import NamedTuple

MEDIA = "media"
SIGNALLING = "signaling"
PACKETS = "packets"  # beyond the heads of flows, only with --head: no part of the system reads it
FEEDBACK = "feedback"
DEAD_LETTERS = "dead-letters"


class TopicNames(NamedTuple):
    """The names of the four topics that the system needs."""

    media: str = MEDIA
    signalling: str = SIGNALLING
    feedback: str = FEEDBACK
    dead_letters: str = DEAD_LETTERS
