"""What is kept of long prompts, against Python's slices."""

import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.text_signatures import fit_contexts
from keras_gpt3.export.text_signatures import fit_prompts
from keras_gpt3.export.text_signatures import last_tokens
from keras_gpt3.models.score.continuation_pairs import fit_to_window
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.tokenization.text_check import truncate_left

CONTEXT = 10
ROWS = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [10, 11], [12, 13, 14, 15, 16]]
LENGTHS = [9, 2, 5]


def fit(max_new_tokens, truncates, rows=ROWS):
    """`fit_prompts` in a graph; the kept tokens of each row."""
    ids = tf.ragged.constant(rows, dtype="int32")

    @tf.function(autograph=False)
    def run(token_ids, lengths, max_new_tokens):
        return fit_prompts(
            token_ids, lengths, max_new_tokens, tf.constant(truncates), CONTEXT
        )

    with one_line_errors():
        kept, lengths = run(
            ids.to_tensor(0),
            tf.constant([len(row) for row in rows]),
            tf.constant(max_new_tokens),
        )
    assert kept.shape[1] == max(lengths)
    return [
        row[:length].tolist()
        for row, length in zip(kept.numpy(), lengths, strict=True)
    ]


def test_a_prompt_keeps_its_last_tokens_where_it_may_be_cut():
    kept = fit([4, 9, 5], [True, True, False])
    assert kept == [ROWS[0][-6:], ROWS[1][-1:], ROWS[2]]


def test_prompts_that_fit_are_left_alone():
    assert fit([1, 8, 5], [True, False, True]) == ROWS


@pytest.mark.parametrize(
    ("max_new_tokens", "truncates", "tokens"),
    [
        ([1, 1, 6], [True, True, False], 11),
        ([2, 1, 1], [False, True, True], 11),
        ([1, 10, 1], [True, True, True], 11),
        ([1, 2**31 - 1, 1], [True, False, True], 2**31 + 1),
        ([1, 2**31 - 1, 1], [True, True, True], 2**31),
    ],
)
def test_what_cannot_fit_is_refused(max_new_tokens, truncates, tokens):
    message = (
        "prompt and max_new_tokens must fit the context of 10 tokens. "
        f"Received: tokens={tokens}. Shorten the prompt, ask for fewer tokens, "
        "or set truncate to left."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(max_new_tokens, truncates)


def fit_pairs(contexts, continuations, truncates):
    @tf.function(autograph=False)
    def run(contexts, continuations):
        return fit_contexts(contexts, continuations, truncates, CONTEXT)

    with one_line_errors():
        return run(
            tf.ragged.constant(contexts, dtype="int32"),
            tf.ragged.constant(continuations, dtype="int32"),
        ).to_list()


@pytest.mark.parametrize("new", [1, 2, 5, 10])
def test_contexts_keep_what_python_keeps(new):
    continuations = [list(range(new))] * 3
    pairs = zip(ROWS, continuations, strict=True)
    expected = [c for c, _ in fit_to_window(pairs, CONTEXT, "left")]
    assert fit_pairs(ROWS, continuations, [True] * 3) == expected


@pytest.mark.parametrize(
    ("context", "new", "truncates"), [(5, 11, True), (9, 3, False)]
)
def test_a_pair_is_refused_where_python_refuses_it(context, new, truncates):
    pair = list(range(context)), list(range(new))
    with pytest.raises(ValueError) as error:
        fit_to_window([pair], CONTEXT, "left" if truncates else None)
    with pytest.raises(ValueError, match=f"^{re.escape(str(error.value))}$"):
        fit_pairs([pair[0], [1]], [pair[1], [1]], [truncates, False])


@pytest.mark.parametrize("num_starts", [0, 1])
def test_dropping_first_tokens_is_as_of_lists(num_starts):
    token_ids = np.arange(24, dtype="int32").reshape(3, 8)
    lengths = np.array([8, 3, 5], "int32")
    kept = np.array([3, 3, 1], "int32")
    received = last_tokens(
        token_ids, tf.constant(lengths), tf.constant(kept), num_starts
    )
    assert received.shape == (3, 3)
    for row in range(3):
        whole = token_ids[row, : lengths[row]].tolist()
        expected = truncate_left(whole, kept[row], num_starts)
        assert received[row, : kept[row]].numpy().tolist() == expected
        assert not received[row, kept[row] :].numpy().any()
