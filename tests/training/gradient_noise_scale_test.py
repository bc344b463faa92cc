import re

import numpy as np
import pytest

from keras_gpt3.training import GradientNoiseScale


def synthetic_step(
    generator, signal, deviation, micro_batches, micro_batch_tokens
):
    """Squared norms of a batch and its micro-batches, of a known noise.

    The mean gradient of `n` tokens is `signal` plus noise of `deviation**2 / n`
    in each direction.
    """
    noise = generator.normal(size=(micro_batches, len(signal)))
    gradients = signal + noise * deviation / np.sqrt(micro_batch_tokens)
    return {
        "squared_norm": np.sum(gradients.mean(0) ** 2),
        "tokens": micro_batches * micro_batch_tokens,
        "micro_batch_squared_norm": np.mean(np.sum(gradients**2, 1)),
        "micro_batch_tokens": micro_batch_tokens,
    }


@pytest.mark.parametrize("micro_batches", [2, 8])
def test_it_finds_the_noise_that_gradients_were_made_with(micro_batches):
    generator = np.random.default_rng(0)
    signal, deviation = generator.normal(size=200), 20.0
    noise = GradientNoiseScale(decay=0.99)
    for _ in range(1000):
        noise.update(
            **synthetic_step(generator, signal, deviation, micro_batches, 64)
        )
    expected = 200 * deviation**2 / np.sum(signal**2)
    # The averages run over about 100 steps, each of which scatters.
    assert noise.tokens == pytest.approx(expected, rel=0.05)
    recommended = noise.recommended_batch_tokens(16)
    assert recommended % 16 == 0
    assert abs(recommended - noise.tokens) <= 8


@pytest.mark.parametrize(
    "change",
    [
        {"micro_batch_tokens": 4096},
        {"micro_batch_tokens": 4096 * (1 - 1e-6)},
        {"micro_batch_squared_norm": float("nan")},
        {"squared_norm": float("inf")},
    ],
)
def test_a_step_that_says_nothing_is_passed_over(change):
    good = {
        "squared_norm": 1.0,
        "tokens": 4096,
        "micro_batch_squared_norm": 2.0,
        "micro_batch_tokens": 1024,
    }
    noise = GradientNoiseScale()
    noise.update(**(good | change))
    assert noise.tokens is None
    assert noise.recommended_batch_tokens(8) is None
    noise.update(**good)
    before = noise.tokens
    noise.update(**(good | change))
    assert noise.tokens == before


def test_saved_averages_are_gone_on_from():
    steps = [
        synthetic_step(np.random.default_rng(i), np.ones(5), 3.0, 4, 8)
        for i in range(6)
    ]
    whole, first, second = (GradientNoiseScale() for _ in range(3))
    for step in steps:
        whole.update(**step)
    for step in steps[:3]:
        first.update(**step)
    second.set_state(first.get_state())
    for step in steps[3:]:
        second.update(**step)
    assert second.get_state() == whole.get_state()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_raises(decay):
    message = (
        f"decay must be from 0 to below 1. Received: decay={decay}. Use 0.95 "
        "to average over about 20 steps."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GradientNoiseScale(decay)
