"""The page of models: cards, which is in place, drift beside the page."""

import time

from console_visitor import Visitor, fill
from verdict_samples import LINPHONE, verdict

from callprint.network_in_place import put_in_place
from callprint.stores import open_store


def seen(visitor: Visitor, words: str) -> str:
    until = time.monotonic() + 120
    while words not in (text := visitor.get("/models").text) and time.monotonic() < until:
        time.sleep(0.05)
    assert words in text
    return text


def test_drift_is_measured_beside_the_page(tmp_path):
    store = fill(tmp_path / "store.sqlite")
    with open_store(str(store)) as opened:
        opened.put_verdicts(
            [
                verdict(
                    LINPHONE._replace(src_port=i),
                    "linphone",
                    best_application="linphone",
                    k=100,
                    model="compact 6",
                )
                for i in range(60)
            ]
        )
    visitor = Visitor(store, tmp_path / "console", placed=tmp_path / "networks.json")
    assert "Drift is being measured" in visitor.get("/models").text
    text = seen(visitor, "Divergence")
    assert "alarm" in text  # sixty flows of one application
    assert 'in place</span><a href="/flows' in text.replace("\n", "")


def test_too_few_flows_say_so(tmp_path):
    visitor = Visitor(
        fill(tmp_path / "store.sqlite"), tmp_path / "console", placed=tmp_path / "networks.json"
    )
    assert "50 are needed" in seen(visitor, "at the horizon")


def test_a_network_in_place_that_is_gone_is_said(tmp_path):
    placed = tmp_path / "networks.json"
    visitor = Visitor(fill(tmp_path / "store.sqlite"), tmp_path / "console", placed=placed)
    put_in_place(tmp_path / "gone.onnx", placed)
    assert visitor.get("/models").status_code == 200
    assert str(tmp_path / "gone.onnx") in visitor.get("/training").text
