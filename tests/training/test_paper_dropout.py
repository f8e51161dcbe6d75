"""The paper's dropout: torch's own in every respect but the cost of its random numbers on a processor."""

from importlib import import_module

import pytest

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="needs the extra `train`")


@pytest.fixture(scope="module")
def dropout(torch):
    return import_module("callprint.training.paper.dropout").Dropout


@pytest.mark.parametrize("shape", [(7,), (33, 501), (3, 5, 7, 11), (64, 16, 5, 32)])
@pytest.mark.parametrize("form", ["float32", "bfloat16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_each_value_is_dropped_or_doubled_and_so_is_its_gradient(torch, dropout, shape, form, channels_last):
    torch.manual_seed(3)
    values = (torch.rand(shape) + 1.0).to(getattr(torch, form))
    if channels_last and len(shape) == 4:
        values = values.to(memory_format=torch.channels_last)
    values.requires_grad_()
    found = dropout(0.5).train()(values)
    assert (found.dtype, found.shape, found.stride()) == (values.dtype, values.shape, values.stride())
    assert torch.equal(found, torch.where(found != 0, 2 * values, torch.zeros_like(values)))
    found.sum().backward()
    assert torch.equal(values.grad, torch.where(found != 0, 2.0, 0.0).to(values.dtype))


def test_half_are_dropped_each_alone_and_anew(torch, dropout):
    torch.manual_seed(4)
    layer = dropout(0.5).train()
    kept = torch.stack([layer(torch.ones(1 << 18)) for _ in range(4)]) != 0
    spread = 0.5 / kept.numel() ** 0.5
    assert abs(float(kept.float().mean()) - 0.5) < 5 * spread
    signs = kept.float() * 2 - 1
    for lag in (1, 2, 7, 8, 64):  # no value says anything about its neighbours
        assert abs(float((signs[:, lag:] * signs[:, :-lag]).mean())) < 10 * spread
    assert not torch.equal(kept[0], kept[1])


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_otherwise_it_is_torchs_own(torch, dropout, p):
    values = torch.rand(50, 40)
    assert torch.equal(dropout(p).eval()(values), values)
    across = values.T[::2]  # not dense
    for given in (across, values) if p != 0.5 else (across,):
        torch.manual_seed(5)
        ours = dropout(p).train()(given)
        torch.manual_seed(5)
        assert torch.equal(ours, torch.nn.Dropout(p).train()(given))
