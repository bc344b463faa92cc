import math
import re

import keras
import numpy as np
import pytest

from keras_gpt3.data import BatchRamp
from keras_gpt3.training import TokenClock
from tests.data.batch_ramp_test import line

BATCH = 524_288


def closed_form(tokens, peak):
    """Appendix B in float64: 375M of warm-up, a cosine over 260B to 10%."""
    warmed = min(1.0, tokens / 375e6)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, tokens / 260e9)))
    return peak * warmed * (0.1 + 0.9 * cosine)


@pytest.mark.parametrize("batch_tokens", [BATCH, 3_145_728])
def test_the_clock_is_the_paper_s_closed_form_over_the_whole_run(batch_tokens):
    last = int(300e9 / batch_tokens)
    steps = np.unique(np.geomspace(1, last, 300).astype("int64")) - 1
    expected = [closed_form((n + 1) * batch_tokens, 6e-4) for n in steps]
    received = TokenClock(6e-4, batch_tokens)(steps)
    # Float32 rounds a cosine near -1 to 1e-7 of 1, hence 1e-6 of 10%.
    np.testing.assert_allclose(received, expected, rtol=2e-6)


@pytest.mark.parametrize(
    "batch_tokens, ramp_tokens", [(BATCH, 4e9), (3_145_728, 12e9)]
)
def test_the_clock_of_a_growing_batch_counts_along_its_line(
    batch_tokens, ramp_tokens
):
    contexts = BatchRamp(batch_tokens // 2048, 16, ramp_tokens / 2048)
    last = contexts.steps_within(int(300e9 / 2048))
    steps = np.geomspace(1, last, 300).astype("int64") - 1
    # Steps about the end of the ramp and of the warm-up, too.
    end = contexts.steps_within(int(ramp_tokens / 2048))
    warm = contexts.steps_within(int(375e6 / 2048))
    steps = np.unique([*steps, *range(end - 3, end + 3), warm - 1, warm])
    tokens = line(contexts, steps + 1) * 2048
    expected = [closed_form(seen, 6e-4) for seen in tokens]
    clock = TokenClock(
        6e-4, batch_tokens, start_batch_tokens=32768, ramp_tokens=ramp_tokens
    )
    # Float32 rounds the exponent, at most 5, and a cosine near -1 to 1e-7.
    np.testing.assert_allclose(clock(steps), expected, rtol=1e-6)


def test_a_ramp_that_grows_nothing_is_a_constant_batch():
    clock = TokenClock(1e-3, 512, 1e4, 1e6)
    flat = TokenClock(
        1e-3, 512, 1e4, 1e6, start_batch_tokens=512, ramp_tokens=3e4
    )
    steps = np.arange(0, 3000, 7)
    np.testing.assert_array_equal(flat(steps), clock(steps))


def test_the_clock_of_a_growing_batch_never_overflows():
    clock = TokenClock(1e-3, 512, 1e4, 1e6, start_batch_tokens=1, ramp_tokens=2)
    # 2 tokens of ramp: e**k is far beyond float32.
    assert float(clock(0)) == pytest.approx(5e-5, rel=0.1)
    assert float(clock(100_000)) == pytest.approx(1e-4)


def test_the_rate_rises_to_the_peak_then_falls_to_a_tenth_and_stays():
    clock = TokenClock(1e-3, BATCH)
    rates = keras.ops.convert_to_numpy(clock(np.arange(0, 572_000, 50)))
    top = rates.argmax()
    assert rates[0] > 0
    assert top * 50 == pytest.approx(375e6 / BATCH, abs=50)
    assert rates[top] == pytest.approx(1e-3, rel=1e-4)
    assert (np.diff(rates[: top + 1]) > 0).all()
    # Float32 cannot tell neighbours apart where the cosine is flat.
    assert (np.diff(rates[top:]) <= 0).all()
    constant = rates[int(260e9 / BATCH / 50) + 1 :]
    assert len(constant) > 1000
    assert set(constant) == {constant[0]}
    assert constant[0] == pytest.approx(1e-4)


def test_the_clock_without_a_warm_up_starts_at_the_peak():
    clock = TokenClock(1e-3, 10, warmup_tokens=0, decay_tokens=1e6)
    assert float(clock(0)) == pytest.approx(1e-3, rel=1e-6)


def test_the_final_fraction_is_where_the_cosine_ends():
    clock = TokenClock(1.0, 10, 0, decay_tokens=100, final_fraction=0.25)
    halfway, end, later = (float(clock(step)) for step in (4, 9, 50))
    assert halfway == pytest.approx(0.625)
    assert end == later == pytest.approx(0.25)


@pytest.mark.parametrize(
    "ramp", [{}, {"start_batch_tokens": 64, "ramp_tokens": 5e4}]
)
def test_the_clock_survives_serialization(ramp):
    schedules = keras.optimizers.schedules
    clock = TokenClock(2e-3, 512, 1e4, 1e6, final_fraction=0.2, **ramp)
    assert clock.get_config().items() >= ramp.items()
    copy = schedules.deserialize(schedules.serialize(clock))
    assert type(copy) is TokenClock
    assert copy.get_config() == clock.get_config()
    for step in (0, 10, 500, 3000):
        assert float(copy(step)) == float(clock(step))


@pytest.mark.parametrize("name", ["learning_rate", "batch_tokens"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_a_number_that_must_be_above_0_is_checked(name, value):
    message = (
        f"{name} must be above 0. Received: {name}={value}. Use the paper's, "
        "in Table 2.1 and Appendix B."
    )
    arguments = {"learning_rate": 1e-3, "batch_tokens": 10, name: value}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TokenClock(**arguments)


@pytest.mark.parametrize(
    "name", ["batch_tokens", "warmup_tokens", "start_batch_tokens"]
)
def test_a_string_is_no_number(name):
    message = (
        f"{name} must be a number. Received: {name}='3e6'. Pass an int or a "
        "float."
    )
    arguments = {"learning_rate": 1e-3, "batch_tokens": 10, name: "3e6"}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TokenClock(**arguments)


def test_a_decay_of_no_length_raises():
    with pytest.raises(ValueError, match="^decay_tokens must be above 0"):
        TokenClock(1e-3, 10, warmup_tokens=0, decay_tokens=0)


@pytest.mark.parametrize("final_fraction", [-0.1, 1.1])
def test_an_end_above_the_peak_or_below_0_raises(final_fraction):
    message = (
        "final_fraction must be from 0 to 1. Received: final_fraction="
        f"{final_fraction}. Use 0.1, as the paper."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TokenClock(1e-3, 10, final_fraction=final_fraction)


@pytest.mark.parametrize("warmup_tokens", [-1, 100, 101])
def test_a_warm_up_outside_the_decay_raises(warmup_tokens):
    message = (
        "warmup_tokens must be from 0 to below decay_tokens. Received: "
        f"warmup_tokens={warmup_tokens}, decay_tokens=100. Shorten the "
        "warm-up or lengthen the decay."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TokenClock(1e-3, 10, warmup_tokens, decay_tokens=100)


@pytest.mark.parametrize(
    "start, ramp, invariant, remedy",
    [
        *(
            (
                start,
                ramp,
                "start_batch_tokens and ramp_tokens must be given together.",
                "Leave out both for a constant batch.",
            )
            for start, ramp in [(5, 0.0), (None, 80.0)]
        ),
        *(
            (
                5,
                ramp,
                "ramp_tokens must be from 0 on and finite.",
                "Use 4e9 to 12e9, as Appendix B, or 0 for a constant batch.",
            )
            for ramp in (-1, math.nan, math.inf)
        ),
        *(
            (
                start,
                80.0,
                "start_batch_tokens must be above 0 and at most batch_tokens.",
                "Use a part of a full batch, such as Appendix B's 32k tokens.",
            )
            for start in (0, 11, math.nan)
        ),
    ],
)
def test_a_ramp_without_both_ends_in_order_raises(
    start, ramp, invariant, remedy
):
    message = (
        f"{invariant} Received: start_batch_tokens={start}, ramp_tokens="
        f"{ramp}, batch_tokens=10. {remedy}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TokenClock(1e-3, 10, start_batch_tokens=start, ramp_tokens=ramp)
