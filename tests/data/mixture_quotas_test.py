import fractions
import re

import numpy as np
import pytest

from keras_gpt3.data.mixture import MixtureQuotas

WEIGHTS = (
    {"a": 60, "b": 22, "c": 8, "d": 8, "e": 3},
    {"a": 1 / 3, "b": 2 / 3},
    {"a": 1.0, "b": 1e-6, "c": 0.1234567891234},
)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_after_every_block_each_set_is_within_one_of_its_quota(weights):
    quotas = MixtureQuotas(weights)
    assert quotas.block_size >= 1024
    ends = quotas.ends(np.arange(200)[:, None])
    counts = np.diff(ends, axis=-1)
    total = sum(map(fractions.Fraction, map(str, weights.values())))
    for index, weight in enumerate(weights.values()):
        share = fractions.Fraction(str(weight)) / total
        for block, count in enumerate(counts[:, index]):
            quota = block * quotas.block_size * share
            # Of ugly weights shares are rounded to 32 bits.
            assert abs(count - quota) <= 1 + block * quotas.block_size / 2**32
    assert (ends[:, -1] == np.arange(200) * quotas.block_size).all()


@pytest.mark.parametrize("weights", WEIGHTS[:2])
def test_slots_are_dealt_out_to_the_sets_one_after_the_other(weights):
    quotas = MixtureQuotas(weights)
    seen = {index: 0 for index in range(len(weights))}
    for block in range(3):
        slots = np.arange(quotas.block_size)
        sets, positions = quotas.locate(np.full_like(slots, block), slots)
        expected = np.diff(
            quotas.ends(np.array([[block], [block + 1]])), axis=0
        )
        counts = np.diff(expected[0])
        np.testing.assert_array_equal(
            sets, np.repeat(range(len(weights)), counts)
        )
        for index, count in enumerate(counts):
            received = positions[sets == index].numpy()
            first = seen[index]
            assert received.tolist() == list(range(first, first + count))
            seen[index] += count


def test_a_set_that_hardly_any_run_would_read_raises():
    weights = {"a": 1.0, "b": 1e-7}
    message = (
        "Each weight must be at least 2**-21 of their sum. Received: "
        f"weights={weights}. Leave out the smallest set, which hardly any run "
        "would read."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        MixtureQuotas(weights)
