"""The paper's convolutions by minimal filtering: torch's own results and gradients, with fewer multiplications."""

from importlib import import_module

import numpy as np
import pytest

pytestmark = pytest.mark.training

SMALL = 5e-5  # of the size of the values, a hundredth of what bfloat16 loses: rounding at the points


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="needs the extra `train`")


@pytest.fixture(scope="module")
def ours(torch):
    return import_module("callprint.training.paper.convolution")


def far_apart(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def results_and_gradients(torch, layer, images, gradient):
    images = images.clone().requires_grad_()
    found = layer(images)
    return found.detach(), *torch.autograd.grad(found, [images, layer.weight, layer.bias], gradient)


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5])
def test_a_minimal_filter_is_the_correlation(ours, outputs):
    rng = np.random.default_rng(outputs)
    window, kernel = rng.standard_normal(outputs + 4), rng.standard_normal(5)
    first, second, last = ours.minimal_filter(outputs)
    assert len(first) == len(second) == outputs + 4
    np.testing.assert_allclose(
        last @ ((second @ kernel) * (first @ window)), np.correlate(window, kernel), atol=1e-12
    )


# Heights of AlexNet's images for k = 6, 8, 10, 20 and 40, then some that no tile of four or five rows fits.
@pytest.mark.parametrize("height", [3, 4, 5, 10, 20, 7, 9, 11])
@pytest.mark.parametrize("width", [128, 6, 5, 1])
@pytest.mark.parametrize("channels_last", [False, True])
def test_results_and_gradients_are_torchs(torch, ours, height, width, channels_last):
    torch.manual_seed(height * width)
    layer = ours.Convolution(6, 7).train()
    images, gradient = torch.randn(3, 6, height, width), torch.randn(3, 7, height, width)
    if channels_last:
        images, gradient = (one.contiguous(memory_format=torch.channels_last) for one in (images, gradient))
    found = results_and_gradients(torch, layer, images, gradient)
    exact = torch.nn.Conv2d(6, 7, 5, padding=2).double()
    exact.load_state_dict(layer.state_dict())
    wanted = results_and_gradients(torch, exact, images.double(), gradient.double())
    for one, other in zip(found, wanted, strict=True):
        assert far_apart(one, other) < SMALL


def test_a_batch_without_images_has_no_results(torch, ours):
    assert ours.Convolution(2, 3).train()(torch.zeros(0, 2, 5, 8)).shape == (0, 3, 5, 8)


@pytest.mark.parametrize("height", [1, 2, 5, 21, 50])
def test_what_does_not_train_and_other_heights_are_torchs_own(torch, ours, height):
    layer = ours.Convolution(4, 4).train(height != 5)
    images = torch.randn(2, 4, height, 8)
    assert torch.equal(layer(images), torch.nn.Conv2d.forward(layer, images))


def test_mixed_precision_is_torchs_own(torch, ours):
    layer = ours.Convolution(4, 4).train()
    images = torch.randn(2, 4, 5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(images), torch.nn.Conv2d.forward(layer, images))
