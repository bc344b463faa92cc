import numpy as np
import pytest
from keras import KerasTensor
from keras import ops

from keras_gpt3.generation import penalize_frequency
from keras_gpt3.generation import penalize_presence
from keras_gpt3.generation import penalize_repetition
from keras_gpt3.generation.token_penalties import count_tokens
from tests.generation.graphs import traced
from tests.generation.slow_choice import slow_frequency
from tests.generation.slow_choice import slow_presence
from tests.generation.slow_choice import slow_repetition

# === Token penalties ===


VOCABULARY_SIZE, LENGTH = 11, 9
generator = np.random.default_rng(4)
LOGITS = generator.normal(size=(3, VOCABULARY_SIZE)).astype("float32")
# Few ids, so that they repeat within and across prompt and answer.
TOKEN_IDS = generator.integers(0, 5, (3, LENGTH), "int32")
PROMPT_LENGTHS = np.array([1, 4, 2], "int32")


def fast_repetition(logits, token_ids, index, prompt_lengths, penalty):
    return penalize_repetition(logits, token_ids, index, penalty)


each_penalty = pytest.mark.parametrize(
    ("fast", "slow", "penalties"),
    [
        (fast_repetition, slow_repetition, [1.3, 0.5, 1.0]),
        (penalize_presence, slow_presence, [0.7, -1.5, 0.0]),
        (penalize_frequency, slow_frequency, [0.7, -1.5, 0.0]),
    ],
    ids=["repetition", "presence", "frequency"],
)


def expected(slow, index, penalties, logits=LOGITS):
    index = np.broadcast_to(index, 3)
    penalties = np.broadcast_to(penalties, 3)
    rows = [
        slow(
            logits[row].astype("float64"),
            TOKEN_IDS[row, : index[row]].tolist(),
            PROMPT_LENGTHS[row],
            penalties[row],
        )
        for row in range(3)
    ]
    return np.array(rows)


def known(index):
    """The tokens before a position, and garbage behind as samplers have it."""
    positions = np.arange(LENGTH)
    before = positions < np.broadcast_to(index, 3)[:, None]
    return np.where(before, TOKEN_IDS, -1)


@pytest.mark.parametrize("index", [1, 3, 4, 8, LENGTH, [2, 9, 5]])
@each_penalty
def test_equals_penalizing_token_by_token(fast, slow, penalties, index):
    index = np.array(index, "int32")
    for penalty in (penalties[0], penalties[1], np.array(penalties)):
        result = fast(LOGITS, known(index), index, PROMPT_LENGTHS, penalty)
        assert result.dtype == "float32"
        # Rounding of float32.
        np.testing.assert_allclose(
            result, expected(slow, index, penalty), rtol=1e-6, atol=1e-6
        )


@each_penalty
def test_each_penalty_changes_what_it_should_and_a_neutral_one_nothing(
    fast, slow, penalties
):
    arguments = known(8), 8, PROMPT_LENGTHS
    changed = np.asarray(fast(LOGITS, *arguments, penalties[0])) != LOGITS
    assert 0 < np.count_nonzero(changed) < LOGITS.size
    neutral = fast(LOGITS, *arguments, penalties[2])
    np.testing.assert_array_equal(neutral, LOGITS)


def test_only_the_answer_counts_for_presence_and_frequency():
    """Row by row: prompt 3, 3; answer 1, 1, 3."""
    token_ids = np.array([[3, 3, 1, 1, 3, -1]])
    logits = np.zeros((1, VOCABULARY_SIZE), "float32")
    for fast, once, twice in (
        (penalize_presence, -0.5, -0.5),
        (penalize_frequency, -0.5, -1.0),
    ):
        result = np.asarray(fast(logits, token_ids, 5, 2, 0.5))
        assert result[0, 3] == once
        assert result[0, 1] == twice
        assert np.count_nonzero(result) == 2


@each_penalty
def test_scores_of_bfloat16_are_rounded_once(fast, slow, penalties):
    logits = ops.cast(LOGITS, "bfloat16")
    result = fast(logits, known(8), 8, PROMPT_LENGTHS, penalties[0])
    assert result.dtype == "bfloat16"
    exact = expected(
        slow,
        8,
        np.float32(penalties[0]),
        np.asarray(ops.cast(logits, "float32")),
    )
    # Half a step of bfloat16's eight bits.
    np.testing.assert_allclose(
        ops.cast(result, "float32"), exact, rtol=2**-8, atol=1e-6
    )


@pytest.mark.parametrize("compiled", [False, True])
@each_penalty
def test_one_graph_serves_all_positions(fast, slow, penalties, compiled):
    batch = 3 if compiled else None
    length = LENGTH if compiled else None
    penalize = traced(
        fast,
        whole=compiled,
        signature=[
            KerasTensor((batch, VOCABULARY_SIZE)),
            KerasTensor((batch, length), "int32"),
            KerasTensor((), "int32"),
            KerasTensor((batch,), "int32"),
            KerasTensor((batch,)),
        ],
    )
    for index in (1, 6, LENGTH):
        result = penalize(
            LOGITS,
            known(index).astype("int32"),
            index,
            PROMPT_LENGTHS,
            np.array(penalties, "float32"),
        )
        np.testing.assert_allclose(
            result, expected(slow, index, penalties), rtol=1e-6, atol=1e-6
        )


# === Token counts ===


COUNTED_IDS = 11


def slow_count_tokens(token_ids, mask):
    counts = np.zeros((len(token_ids), COUNTED_IDS), "int32")
    for row, ids in enumerate(token_ids):
        for position, token_id in enumerate(ids):
            if mask[row, position]:
                counts[row, token_id] += 1
    return counts


def count_in_vocabulary(token_ids, mask):
    return count_tokens(token_ids, mask, COUNTED_IDS)


def counted(batch, length):
    """Ids that repeat, and garbage outside the vocabulary where masked."""
    generator = np.random.default_rng(length)
    token_ids = generator.integers(0, 4, (batch, length), "int32")
    mask = generator.random((batch, length)) < 0.7
    garbage = generator.choice([-1, COUNTED_IDS, 10**6], (batch, length))
    return np.where(mask, token_ids, garbage).astype("int32"), mask


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("length", [1, 7, 40])
def test_equals_counting_one_by_one(length, compiled):
    token_ids, mask = counted(3, length)
    expected = slow_count_tokens(token_ids, mask)
    eager = count_tokens(token_ids, mask, COUNTED_IDS)
    assert eager.dtype == "int32"
    np.testing.assert_array_equal(eager, expected)
    count = traced(count_in_vocabulary, whole=compiled)
    np.testing.assert_array_equal(count(token_ids, mask), expected)


def test_batch_and_length_may_be_unknown_to_a_graph():
    count = traced(
        count_in_vocabulary,
        signature=[
            KerasTensor((None, None), "int32"),
            KerasTensor((None, None), "bool"),
        ],
    )
    for batch, length in ((1, 5), (4, 9), (2, 0)):
        token_ids, mask = counted(batch, length)
        np.testing.assert_array_equal(
            count(token_ids, mask), slow_count_tokens(token_ids, mask)
        )


def test_one_mask_may_serve_all_rows():
    token_ids, _ = np.tile([[3, 3, 1, 3]], (2, 1)), None
    mask = np.array([[True, True, True, False]])
    expected = slow_count_tokens(token_ids, np.repeat(mask, 2, axis=0))
    np.testing.assert_array_equal(
        count_tokens(token_ids, mask, COUNTED_IDS), expected
    )
