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
    return declared_by_cells(verdict.declared_application, verdict.declared_version, verdict.declared_by)


def declared_by_cells(application: str | None, version: str | None, by: str | None) -> Declared | None:
    """Return the declared name in the fields of a verdict; None where they hold none, or not all of one."""
    return None if application is None or by is None else Declared(application, version, by)
