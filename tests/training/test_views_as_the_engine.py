"""What an examination looks at is what the flow engine hands to the model: real calls, both ways."""

import numpy as np
import pytest
from evidence_logs import pack

from callprint.core.dissect import dissect
from callprint.core.identify.decision import CONFIDENCE_DECIMALS
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.sources import open_captures
from callprint.training.dataset import whole_flows
from callprint.training.sampling import FINAL
from callprint.training.windows import cut_windows

CAPTURES = (
    "dataset2/chromium-000.pcap",
    "dataset2/twinkle-000.pcap",
    "cross/xsip-000.pcap",
    "cross/xweb-000.pcap",
)


@pytest.mark.parametrize("name", CAPTURES)
def test_the_final_verdict_is_that_of_the_horizon_view(labelled_calls, name):
    identifier = load_model(DEFAULT_MODEL)
    pipeline = IdentificationPipeline(identifier)
    verdicts = []
    for data, records in open_captures([labelled_calls / name]):
        verdicts += pipeline.process(data, dissect(data, records)).verdicts
    verdicts += pipeline.finish().verdicts
    final = {verdict.flow[:4]: verdict for verdict in verdicts if verdict.final}

    flows, warnings = whole_flows(labelled_calls / name)
    assert not warnings
    assert len(flows) == len(final) == 2
    buffer, spans = pack([log for _, _, log in flows])
    both = np.ones(2, np.bool_)
    windows = cut_windows(
        buffer, spans, np.arange(2), np.zeros(2, np.int64), np.full(2, FINAL.packets), tail=both, lead=both
    )
    said = identifier.identify(windows.buffer, windows.spans)
    for i, (quad, _, _) in enumerate(flows):
        verdict = final[tuple(quad)]
        assert verdict.k == windows.packets[i]
        assert verdict.best_application == identifier.applications[said.application[i]]
        assert verdict.confidence == pytest.approx(
            float(said.confidence[i]), abs=2 * 10**-CONFIDENCE_DECIMALS
        )
