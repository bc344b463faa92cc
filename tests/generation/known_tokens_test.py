import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.logit_filters import per_row
from keras_gpt3.generation.logit_filters import rule_out_unknown
from keras_gpt3.generation.logit_filters import score_threshold
from tests.generation.graphs import traced

# === Known tokens ===


LOGITS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], "float32")


def test_ids_beyond_the_tokenizer_s_are_never_the_highest():
    kept = np.asarray(rule_out_unknown(LOGITS, 2))
    np.testing.assert_array_equal(kept[:, :2], LOGITS[:, :2])
    assert (kept[:, 2] == np.float32(-1e30)).all()


@pytest.mark.parametrize("num_known", [None, 3])
def test_where_all_are_known_nothing_is_done(num_known):
    assert rule_out_unknown(LOGITS, num_known) is LOGITS


# === Per row setting ===


@pytest.mark.parametrize(
    ("setting", "column"),
    [
        (2, [[2]]),
        (np.float64(0.5), [[0.5]]),
        (ops.convert_to_tensor(3), [[3]]),
        ([0.5, 1], [[0.5], [1]]),
        (np.array([1, 2, 3]), [[1], [2], [3]]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_setting_becomes_a_column(setting, column, dtype):
    result = per_row(setting, dtype)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array(column).astype(dtype))


# === Score threshold ===


SCORES = np.array(
    [
        [0.3, -1.5, 2.0, -1.5, 7.0, -1e30, 1e-40, 2.0],
        [-3, -2, -2, -9, -np.inf, -2, -2.0000002, -1],
        [0.0, -0.0, 0.0, -0.0, 1e30, 0.0, -1e-30, 0.0],
    ],
    "float32",
)
WEIGHTS = np.random.default_rng(0).integers(1, 9, SCORES.shape, "int32")


def slow_threshold(scores, weights, total):
    """Goes through the scores from the highest on."""
    for score in sorted(scores, reverse=True):
        if weights[scores >= score].sum() >= total:
            return score
    return min(scores)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_equals_going_through_the_scores_from_the_highest_on(dtype, compiled):
    weights = WEIGHTS.astype(dtype)
    find = traced(score_threshold, whole=compiled)
    heaviest = WEIGHTS.sum(-1).max()
    for total in range(0, heaviest + 3, 3):
        expected = [
            [slow_threshold(*row, total)]
            for row in zip(SCORES, WEIGHTS, strict=True)
        ]
        arguments = SCORES, weights, np.array([[total]], dtype)
        found = find(*map(ops.convert_to_tensor, arguments))
        np.testing.assert_array_equal(found, expected)


def test_rows_may_differ_in_their_total():
    totals = np.array([[1], [30], [12]], "int32")
    expected = [
        [slow_threshold(*row, total[0])]
        for *row, total in zip(SCORES, WEIGHTS, totals, strict=True)
    ]
    np.testing.assert_array_equal(
        score_threshold(SCORES, WEIGHTS, totals), expected
    )


def test_finds_the_rank_of_a_large_vocabulary():
    scores = np.random.default_rng(1).normal(size=(2, 3000)).astype("float32")
    ones = np.ones_like(scores, "int32")
    for k in (1, 40, 2999):
        found = score_threshold(scores, ones, np.array([[k]], "int32"))
        expected = np.sort(scores, axis=-1)[:, [-k]]
        np.testing.assert_array_equal(found, expected)
