"""A declared name: what a packet says about the program that sent it."""

from typing import NamedTuple

from callprint.core.verdict import Verdict


class Declared(NamedTuple):
    """What a text says about the program that wrote it."""

    application: str  # a name of the table: of a product, or of the media stack (engine) inside one
    version: str | None
    by: str  # one of DECLARED_BY


def declared_in_verdict(verdict: Verdict) -> Declared | None:
    """Return the declared name of a verdict."""
    if verdict.declared_application is None or verdict.declared_by is None:
        return None
    return Declared(verdict.declared_application, verdict.declared_version, verdict.declared_by)
