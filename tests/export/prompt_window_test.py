"""What is kept of long prompts, against Python's slices."""

import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export import text_signatures
from keras_gpt3.export.text_signatures import fit_contexts
from keras_gpt3.export.text_signatures import fit_prompts
from keras_gpt3.export.text_signatures import last_tokens
from keras_gpt3.models.score.continuation_pairs import continuation_pairs
from keras_gpt3.models.score.continuation_pairs import fit_to_window
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left
from tests.small_gpt3 import small_text_model

# === Prompt window ===


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
        f"Received: tokens={tokens}. Shorten the prompt, request fewer tokens, "
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


# === Text checks ===


# Each refusal is the sentence that Python says, where it says one.


def run(function, *arguments):
    with one_line_errors():
        return tf.function(lambda: function(*arguments), autograph=False)()


def as_many_contexts(contexts, number):
    """As a signature calls it, which does not know the number of texts."""
    specs = [tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)]
    traced = tf.function(
        text_signatures.as_many_contexts, input_signature=specs, autograph=False
    )
    with one_line_errors():
        return traced(tf.constant(contexts, tf.string), tf.constant(number))


def test_a_request_without_texts_is_refused():
    message = (
        "A request must hold at least one text. Received: texts=0. Pass one or "
        "more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(text_signatures.check_some_texts, tf.constant([], tf.string))


def test_an_empty_prompt_is_refused():
    ids = tf.ragged.constant([[1, 2], [], [3]])
    assert run(text_signatures.prompt_lengths, ids[:1]).numpy().tolist() == [2]
    message = (
        "A prompt must have at least one token. Received: tokens=0. Pass "
        "<|endoftext|> to start from nothing."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(text_signatures.prompt_lengths, ids)


@pytest.mark.parametrize(
    ("contexts", "continuations"),
    [(["a", "b"], ["c"]), (["a", "b"], ["c", ""])],
)
def test_pairs_are_refused_as_by_python(contexts, continuations):
    model = small_text_model()
    with pytest.raises(ValueError) as error:
        continuation_pairs(model, contexts, continuations)
    ids = tf.ragged.constant(
        model.preprocessor.tokenizer.tokenize(continuations), dtype="int32"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(str(error.value))}$"):
        as_many_contexts(contexts, len(continuations))
        run(text_signatures.continuation_lengths, ids)


@pytest.mark.parametrize("contexts", [["a"], ["a", "a", "a"]])
def test_a_single_context_serves_all_continuations(contexts):
    assert as_many_contexts(contexts, 3).numpy().tolist() == [b"a"] * 3


def test_no_context_serves_none():
    message = (
        "context must have one entry for each continuation. Received: "
        "contexts=0, continuations=2. Pass lists of equal length, or a single "
        "context."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        as_many_contexts([], 2)
