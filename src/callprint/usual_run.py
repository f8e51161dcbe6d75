"""A run over captures as most of callprint wants it: flows, calls, declared names, and our own detector of spam."""

from callprint.core.flow import EngineSettings
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.detector_names import OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.spam.interface import SpamDetector
from callprint.core.verdicts.identifier import Identifier
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.stores import VerdictStore


def usual_run(
    identifier: Identifier | None = None,
    settings: EngineSettings | None = None,
    *,
    store: VerdictStore | None = None,
    detector: SpamDetector | None = None,
    identities: IdentityReader | None = None,
) -> tuple[CaptureRun, CallPipeline]:
    """Return a run, whose callbacks its user sets, and its calls.

    identifier: names flows; settings: of the flow engine (load_identifier.engine_settings); identities: reads numbers.
    """
    names = shipped_names()
    calls = CallPipeline(identities=identities, detector=detector or make_detector(OWN), names=names)
    return CaptureRun(IdentificationPipeline(identifier, settings, names=names), store, calls=calls), calls
