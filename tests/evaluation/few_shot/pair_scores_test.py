import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores
from keras_gpt3.evaluation.few_shot.shared_batches import prompt_arrays
from keras_gpt3.evaluation.few_shot.shared_batches import shared_prefixes
from tests.small_gpt3 import TALKING_CONTEXT
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import talking_model

# === Pair scores ===


PAIRS = [
    ([5, 6, 7, 8, 9, 10], [11]),
    ([5, 6, 7, 8, 9, 10], [12, 13]),
    ([1], [2, 3, 4]),
    ([5, 6, 7, 8, 20], [11]),
    ([5, 6, 7, 8, 9, 10], [11]),
    # As long as the window of 40 and one token more.
    ([5, 6, 7, 8, *range(30)], [1, 2, 3, 4, 5, 6, 7]),
    ([5, 6, 7, 8, *range(36)], [1]),
]


def slow_score(model, context, continuation):
    """The sum of log-probabilities, from the logits of each position."""
    read = [*context, *continuation][:-1]
    # One shape to compile; what stands behind is not seen.
    ids = np.array([read + [0] * (TALKING_CONTEXT - len(read))], "int32")
    logits = np.asarray(model(as_inputs(ids)), "float64")[0]
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    rows = logits[len(context) - 1 : len(read)]
    is_greedy = rows.argmax(axis=-1).tolist() == list(continuation)
    return rows[np.arange(len(continuation)), continuation].sum(), is_greedy


@pytest.mark.parametrize("shares_prefixes", [False, True])
def test_scores_are_those_of_the_whole_logits(monkeypatch, shares_prefixes):
    if shares_prefixes:
        defaults = (2, 2)
        monkeypatch.setattr(
            shared_batches.shared_prefixes, "__defaults__", defaults
        )
    model = talking_model()
    ids = np.array([[5, 6, 7] + [0] * (TALKING_CONTEXT - 3)], "int32")
    likeliest = np.asarray(model(as_inputs(ids)))[0, 2].argmax()
    pairs = [*PAIRS, ([5, 6, 7], [int(likeliest)])]
    found = dict(PairScores(model, batch_size=3)(pairs))
    assert sorted(found) == list(range(len(pairs)))
    for index, pair in enumerate(pairs):
        expected, is_greedy = slow_score(model, *pair)
        # float32 sums in another order.
        assert found[index].log_likelihood == pytest.approx(expected, rel=1e-5)
        assert found[index].is_greedy == is_greedy
    assert found[len(PAIRS)].is_greedy


def test_each_pair_is_scored_once_in_batches_of_like_lengths(monkeypatch):
    model, batches = talking_model(), []

    def score(contexts, continuations, batch_size, prefix):
        batches.append(list(zip(contexts, continuations, strict=True)))
        return continuations

    monkeypatch.setattr(model, "score", score)
    found = dict(PairScores(model, batch_size=2)(PAIRS))
    assert [found[i] for i in range(7)] == [pair[1] for pair in PAIRS]
    sizes = [len(a) + len(b) for batch in batches for a, b in batch]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 6
    assert list(map(len, batches)) == [2, 2, 2]


def test_no_pairs_have_no_scores():
    assert list(PairScores(talking_model())([])) == []


# === Prompt arrays ===


def test_prompts_are_padded_on_the_right():
    arrays = prompt_arrays([(5, 6, 7), [8]])
    np.testing.assert_array_equal(
        arrays["token_ids"], np.array([[5, 6, 7], [8, 0, 0]], "int32")
    )
    np.testing.assert_array_equal(
        arrays["padding_mask"], [[True] * 3, [True, False, False]]
    )
    assert arrays["token_ids"].dtype == "int32"


# === Shared prefixes ===


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
