import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores
from tests.small_gpt3 import TALKING_CONTEXT
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import talking_model

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
