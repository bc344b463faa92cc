import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.shared_batches import shared_prefixes


def tokens_read(contexts, groups):
    """Tokens that a model reads if it reads each prefix once."""
    return sum(
        length + sum(len(contexts[i]) - length for i in members)
        for length, members in groups
    )


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        ([], []),
        ([[1, 2, 3]], [(0, [0])]),
        ([[1, 2, 3], [1, 2, 4]], [(2, [0, 1])]),
        # One token in common, and two behind each other's end.
        ([[1, 2, 3], [1, 3, 3], [1]], [(0, [0, 1, 2])]),
        # Two pairs spare 4 tokens each, all four together 6.
        (
            [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 5, 6], [1, 2, 5, 6]],
            [(4, [0, 1]), (4, [2, 3])],
        ),
        # All five together spare 8, the pair 4.
        (
            [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2], [1, 2, 7], [1, 2, 8]],
            [(2, [0, 1, 2, 3, 4])],
        ),
    ],
)
def test_groups_are_those_that_spare_most(contexts, expected):
    assert shared_prefixes(contexts, step=2, least_saved=2) == expected


def test_a_small_gain_is_left():
    contexts = [[1, 2, 3], [1, 2, 4]]
    assert shared_prefixes(contexts, step=2, least_saved=3) == [(0, [0, 1])]


def test_each_context_is_in_one_group_with_a_beginning_it_has():
    generator = np.random.default_rng(0)
    contexts = [
        generator.integers(2, size=length).tolist()
        for length in generator.integers(1, 12, size=80)
    ]
    groups = shared_prefixes(contexts, step=2, least_saved=2)
    members = [i for _, indices in groups for i in indices]
    assert sorted(members) == list(range(80))
    for length, indices in groups:
        starts = {tuple(contexts[i][:length]) for i in indices}
        assert (
            len(starts) == 1
            and min(len(contexts[i]) for i in indices) >= length
        )
    read = tokens_read(contexts, groups)
    assert read < 0.8 * sum(map(len, contexts))
    # No single level does better.
    for length in (2, 4, 6, 8):
        starts = {tuple(c[:length]) for c in contexts if len(c) >= length}
        rest = sum(len(c[length:] if len(c) >= length else c) for c in contexts)
        assert read <= length * len(starts) + rest
