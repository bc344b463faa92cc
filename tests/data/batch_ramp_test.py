import dataclasses
import math
import pickle
import re
from fractions import Fraction

import numpy as np
import pytest

from keras_gpt3.data import BatchRamp

# Full batch, first batch, length of the ramp, multiple.
TOYS = {
    "one by one": (16, 2, 300, 1),
    "in multiples": (64, 16, 1000.5, 16),
    "a ramp within the first batch": (40, 4, 3, 4),
    "a start at the multiple": (12, 3, 500, 3),
    "a ramp so long that it is flat": (2, 1, 2.0**62, 1),
    "no ramp": (12, 4, 0, 4),
    "nothing to grow": (12, 12, 300, 4),
}
# GPT-3 Small and 175B in contexts of 2048 tokens.
PAPER = {
    "small": (256, 16, 4e9 / 2048, 1),
    "175B": (1536, 16, 12e9 / 2048, 16),
}
each_toy = pytest.mark.parametrize("numbers", TOYS.values(), ids=TOYS)
each_paper = pytest.mark.parametrize("numbers", PAPER.values(), ids=PAPER)


def integrated(ramp, num_steps, parts=200):
    """Sequences before each step, by small steps along dt = B(t) dn."""

    def size(seen):
        if ramp.ramp_sequences == 0 or seen >= ramp.ramp_sequences:
            return ramp.batch_size
        grown = (ramp.batch_size - ramp.start_batch_size) * seen
        return ramp.start_batch_size + grown / ramp.ramp_sequences

    before = [0.0]
    for _ in range(num_steps):
        seen = before[-1]
        for _ in range(parts):
            halfway = seen + size(seen) / (2 * parts)
            seen += size(halfway) / parts
        before.append(seen)
    return np.array(before)


def line(ramp, step):
    """The closed form in float64, not cut to whole batches."""
    full, start = ramp.batch_size, ramp.start_batch_size
    step = np.asarray(step, "float64")
    if ramp.ramp_sequences == 0 or start == full:
        return step * full
    growth = (full - start) / ramp.ramp_sequences
    length = math.log(full / start) / growth
    on_ramp = start * np.expm1(growth * np.minimum(step, length)) / growth
    return on_ramp + np.maximum(step - length, 0.0) * full


def exact_line(ramp, step):
    """A point of the line within the ramp, from the series of e**x."""
    growth = Fraction(ramp.batch_size - ramp.start_batch_size)
    growth /= Fraction(ramp.ramp_sequences)
    line = term = Fraction(ramp.start_batch_size * step)
    for power in range(2, 60):
        term *= growth * step / power
        line += term
    return line


@each_toy
def test_batches_add_up_to_the_integral_of_one_linear_in_what_was_seen(numbers):
    ramp = BatchRamp(*numbers)
    # The corner at the end of the ramp costs the integration a part of a step.
    tolerance = 1e-3 * ramp.batch_size
    behind = integrated(ramp, 80) - ramp.sequences_before(np.arange(81))
    assert behind.min() > -tolerance
    assert behind.max() < ramp.multiple + tolerance


@each_toy
def test_batches_are_multiples_that_never_leave_the_line(numbers):
    ramp = BatchRamp(*numbers)
    seen = 0
    for step in range(300):
        behind = line(ramp, step) - seen
        # Float64 has 1e-12 of these lines.
        assert -1e-9 < behind < ramp.multiple + 1e-9
        size = ramp.size_at(step)
        assert size % ramp.multiple == 0
        assert ramp.start_batch_size <= size <= ramp.batch_size
        assert ramp.sequences_before(step) == seen
        seen += size


@each_toy
def test_as_many_steps_fit_as_a_loop_over_batches_takes(numbers):
    ramp = BatchRamp(*numbers)
    steps, left = 0, 0
    for num_sequences in range(400):
        if left == ramp.size_at(steps):
            steps, left = steps + 1, 0
        assert ramp.steps_within(num_sequences) == steps
        left += 1


@each_toy
def test_arrays_hold_what_single_steps_give(numbers):
    ramp = BatchRamp(*numbers)
    steps = np.arange(120, dtype="uint8").reshape(2, 60)
    for method in (ramp.sequences_before, ramp.size_at):
        received = method(steps)
        assert received.dtype == np.int64
        expected = [[method(int(step)) for step in row] for row in steps]
        np.testing.assert_array_equal(received, expected)
        assert method(np.array(7)) == method(np.int32(7)) == method(7)
        assert type(method(np.int32(7))) is int


@each_paper
def test_the_paper_s_ramps_are_cut_exactly(numbers):
    ramp = BatchRamp(*numbers)
    for step in (1, 2, 999, 5_000, 16_000):
        cut = int(exact_line(ramp, step)) // ramp.multiple * ramp.multiple
        assert ramp.sequences_before(step) == cut


@each_paper
def test_the_paper_s_batch_is_full_where_the_ramp_ends(numbers):
    ramp = BatchRamp(*numbers)
    growth = (ramp.batch_size - ramp.start_batch_size) / ramp.ramp_sequences
    end = math.log(ramp.batch_size / ramp.start_batch_size) / growth
    last, first_full = math.floor(end) - 1, math.ceil(end)
    assert line(ramp, end) == pytest.approx(ramp.ramp_sequences)
    sizes = ramp.size_at(np.arange(last))
    # Either end of a batch is cut by less than a multiple.
    uncut = np.diff(line(ramp, np.arange(last + 1)))
    assert abs(sizes - uncut).max() < ramp.multiple
    # A stair that only rises would have no size below one before it.
    assert (np.diff(sizes) < 0).any()
    assert sizes[0] == ramp.start_batch_size
    later = ramp.size_at(first_full + np.arange(0, 100_000, 37))
    assert set(later) == {ramp.batch_size}


@each_paper
@pytest.mark.parametrize("step", [0, 1, 12_345, 17_000, 40_000, 10**8])
def test_the_steps_of_a_number_of_sequences_are_the_inverse(numbers, step):
    ramp = BatchRamp(*numbers)
    before = ramp.sequences_before(step)
    assert ramp.steps_within(before) == step
    assert ramp.steps_within(before + ramp.size_at(step) - 1) == step


@pytest.mark.parametrize("name", ["no ramp", "nothing to grow"])
def test_a_constant_batch_is_counted_exactly(name):
    ramp = BatchRamp(*TOYS[name])
    assert ramp.sequences_before(10**15 + 1) == 12 * (10**15 + 1)


def test_ramps_are_values():
    ramp = BatchRamp(np.int64(8), 4, np.float32(30), multiple=2)
    assert ramp.sequences_before(9) > 0
    assert ramp == BatchRamp(8, 4, 30, 2) == pickle.loads(pickle.dumps(ramp))
    assert hash(ramp) == hash(BatchRamp(8, 4, 30, 2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        ramp.batch_size = 9


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            (8, 9, 100),
            "start_batch_size must be from multiple to batch_size. Received: "
            "start_batch_size=9, multiple=1, batch_size=8. Start with "
            "batch_size itself for a constant batch.",
        ),
        (
            (8, 2, 100, 4),
            "start_batch_size must be from multiple to batch_size. Received: "
            "start_batch_size=2, multiple=4, batch_size=8. Start with "
            "batch_size itself for a constant batch.",
        ),
        (
            (10, 4, 100, 4),
            "batch_size must be divisible by multiple. Received: "
            "batch_size=10, multiple=4. Use 8 or 12.",
        ),
        (
            (12, 5, 100, 4),
            "start_batch_size must be divisible by multiple. Received: "
            "start_batch_size=5, multiple=4. Use 4 or 8.",
        ),
        *(
            (
                (8, 4, length),
                "ramp_sequences must be from 0 to below 2**63. Received: "
                f"ramp_sequences={length}. Use 0 for a constant batch.",
            )
            for length in (-1, math.nan, math.inf, 2**63)
        ),
        (
            (8.0, 4, 100),
            "batch_size must be an integer of at least 1. Received: "
            "batch_size=8.0. Pass 1 or more.",
        ),
        (
            (8, 0, 100),
            "start_batch_size must be an integer of at least 1. Received: "
            "start_batch_size=0. Pass 1 or more.",
        ),
        (
            (8, 4, 100, 0),
            "multiple must be an integer of at least 1. Received: multiple=0. "
            "Pass 1 or more.",
        ),
    ],
)
def test_a_number_out_of_its_range_raises(numbers, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        BatchRamp(*numbers)


@pytest.mark.parametrize("method", ["sequences_before", "size_at"])
@pytest.mark.parametrize("step", [np.array([3, -1]), np.array([0.5])])
def test_an_array_of_no_steps_raises(method, step):
    message = (
        f"step must hold integers of at least 0. Received: step={step!r}. "
        "Count batches from 0."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(BatchRamp(8, 4, 30), method)(step)


@pytest.mark.parametrize("value", [-1, 1.5])
def test_a_single_number_below_0_or_no_integer_raises(value):
    ramp = BatchRamp(8, 4, 30)
    for method, name in (
        (ramp.sequences_before, "step"),
        (ramp.size_at, "step"),
        (ramp.steps_within, "num_sequences"),
    ):
        message = re.escape(
            f"{name} must be an integer of at least 0. Received: {name}={value}"
        )
        with pytest.raises(ValueError, match=message):
            method(value)
