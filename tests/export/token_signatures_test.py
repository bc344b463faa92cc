"""`saved_model_test` runs them exported; here, as plain functions."""

import inspect
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export import token_signatures
from keras_gpt3.export.token_signatures import TokenSignatures
from keras_gpt3.export.token_signatures import decode_prompts
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops import token_chunks
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch

# === Token signatures ===


def test_logits_are_those_of_the_backbone():
    backbone = small_backbone()
    inputs, _ = small_batch()
    with op_compilation(False):
        signatures = TokenSignatures(backbone, ())
        received = signatures.logits(tf.constant(inputs["token_ids"]))
        expected = backbone.logits(backbone(inputs))
    np.testing.assert_allclose(received["logits"], expected, atol=1e-5)


def test_greedy_continuations_are_the_likeliest_of_whole_passes():
    backbone = small_backbone()
    ids = small_batch(rows=2)[0]["token_ids"]
    mask = np.arange(8) < np.array([[3], [6]])
    with op_compilation(False):
        answer = TokenSignatures(backbone, ()).generate_tokens(
            tf.constant(np.where(mask, ids, 0)),
            tf.constant(mask),
            temperature=0.0,
            top_k=0,
            seed=0,
            end_token_id=-1,
        )
        answer = answer["token_ids"].numpy()
        logits = backbone.logits(backbone(as_inputs(answer))).numpy()
    likeliest = logits.argmax(-1)[:, :-1]
    new = ~mask[:, 1:]
    np.testing.assert_array_equal(answer[:, 1:][new], likeliest[new])
    np.testing.assert_array_equal(answer[mask], ids[mask])


def test_stopping_criteria_end_the_loop():
    backbone = small_backbone()
    ids = small_batch(rows=2)[0]["token_ids"]
    mask = np.arange(8) < np.array([[3], [4]])

    def criteria(count, chosen, is_answer):
        count = count + tf.cast(is_answer, tf.int32)
        return count, count == 2

    with op_compilation(False):
        state = decode_prompts(
            backbone,
            tf.constant(np.where(mask, ids, 0)),
            tf.constant(mask),
            -1,
            lambda logits, index: tf.argmax(logits, -1, tf.int32),
            criteria,
            tf.zeros([2], tf.int32),
        )
    # Two tokens each, the longer prompt's at positions 4 and 5.
    assert int(state.index) == 6
    assert not state.token_ids[:, 6:].numpy().any()
    np.testing.assert_array_equal(state.criteria_state, [2, 2])


def test_each_argument_of_a_signature_has_its_spec():
    signatures = TokenSignatures(small_backbone(), ())
    for function, specs in signatures.endpoints().values():
        names = inspect.signature(function).parameters
        assert [spec.name for spec in specs] == list(names)


# === Cache tensors ===


# A cache to four tensors and back.


PATTERNS = [
    ("dense", "banded"),
    ("banded", "dense", "dense"),
    ("dense",),
    ("banded",),
]


def cache_of(pattern):
    """A backbone and a cache in which every number is its own."""
    backbone = small_backbone(attention_pattern=pattern, num_layers=3)
    generator = np.random.default_rng(0)
    cache = [
        tuple(
            tf.constant(generator.normal(size=x.shape), x.dtype) for x in pair
        )
        for pair in backbone.make_cache(2, 9)
    ]
    return backbone, cache


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_cache_comes_back_as_it_was(pattern):
    backbone, cache = cache_of(pattern)
    tensors = token_signatures.stack_cache(backbone, cache, 2, 9)
    again = token_signatures.unstack_cache(backbone, tensors, 2)
    assert len(again) == len(cache)
    for pair, expected in zip(again, cache, strict=True):
        for x, y in zip(pair, expected, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tensors_have_the_shapes_of_the_signature(pattern):
    backbone, cache = cache_of(pattern)
    tensors = token_signatures.stack_cache(backbone, cache, 2, 9)
    specs = token_signatures.cache_specs(backbone)
    assert [spec.name for spec in specs] == list(tensors)
    for spec in specs:
        assert spec.is_compatible_with(tensors[spec.name])
    # A banded layer has as many slots as its window, 4.
    assert tensors["dense_keys"].shape[3] == 9
    assert tensors["banded_values"].shape[3] == 4


def test_a_cache_of_other_rows_is_refused():
    backbone, cache = cache_of(("dense", "banded"))
    tensors = token_signatures.stack_cache(backbone, cache, 2, 9)
    message = (
        "dense_keys must have the rows of token_ids. Received: rows=2. Pass "
        "the cache that prefill or extend gave for these rows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with one_line_errors():
            # In a graph, where alone the check has one line.
            tf.function(token_signatures.unstack_cache)(backbone, tensors, 3)


# === Scores of tokens ===


def naive_scores(logits, token_ids, lengths, number):
    """By sorting whole rows of a log-softmax, one position at a time."""
    logits = logits.astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    shape = token_ids.shape
    found = np.zeros(shape), np.zeros((*shape, number), int)
    found = (*found, np.zeros((*shape, number)))
    for row, length in enumerate(lengths):
        for place in range(1, length):
            before = logs[row, place - 1]
            best = np.argsort(-before, kind="stable")[:number]
            found[0][row, place] = before[token_ids[row, place]]
            found[1][row, place] = best
            found[2][row, place] = before[best]
    return found


def score_tokens(backbone, token_ids, lengths, number, num_known=None):
    with op_compilation(False), one_line_errors():
        signatures = TokenSignatures(backbone, (), num_known)
        function = tf.function(signatures.score_tokens, autograph=False)
        answer = function(
            tf.constant(token_ids), tf.constant(lengths), tf.constant(number)
        )
    return {name: value.numpy() for name, value in answer.items()}


@pytest.mark.parametrize(
    ("width", "lengths", "number"),
    [(8, [8, 3, 1], 3), (12, [12, 12, 11], 1), (12, [1, 2, 12], 0)],
)
@pytest.mark.parametrize("chunk_logits", [None, 61 * 4])
def test_scores_of_tokens_equal_a_sorted_log_softmax(
    width, lengths, number, chunk_logits, monkeypatch
):
    if chunk_logits:
        # Chunks of 4 positions, which do not divide what is scored.
        monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", chunk_logits)
    backbone = small_backbone()
    ids = np.random.default_rng(3).integers(0, 61, (3, width)).astype("int32")
    with op_compilation(False):
        logits = backbone.logits(backbone(as_inputs(ids))).numpy()
    answer = score_tokens(backbone, ids, lengths, number)
    logs, top_ids, top_logs = naive_scores(logits, ids, lengths, number)
    # The sums of a softmax differ in the last bits of a float32.
    assert answer["log_probabilities"] == pytest.approx(logs, abs=1e-5)
    assert (answer["top_token_ids"] == top_ids).all()
    assert answer["top_log_probabilities"] == pytest.approx(top_logs, abs=1e-5)


def test_a_single_token_has_nothing_to_score():
    answer = score_tokens(small_backbone(), [[5]], [1], 2)
    assert answer["log_probabilities"].tolist() == [[0.0]]
    assert answer["top_token_ids"].shape == (1, 1, 2)


def test_padding_of_the_vocabulary_is_no_alternative():
    ids = small_batch(rows=2)[0]["token_ids"]
    answer = score_tokens(small_backbone(), ids, [8, 8], 5, num_known=5)
    assert np.sort(answer["top_token_ids"][:, 1:]).tolist() == (
        [[[0, 1, 2, 3, 4]] * 7] * 2
    )


@pytest.mark.parametrize(
    ("lengths", "number", "message"),
    [
        ([8], 1, "lengths must have one entry for each row of token_ids. "),
        ([8, 9], 1, "lengths must be from 1 to the width of token_ids. "),
        ([0, 8], 1, "lengths must be from 1 to the width of token_ids. "),
        ([8, 8], 62, "number must be from 0 to 61, the known ids. "),
        ([8, 8], -1, "number must be from 0 to 61, the known ids. "),
    ],
)
def test_scores_of_tokens_check_their_inputs(lengths, number, message):
    ids = small_batch(rows=2)[0]["token_ids"]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        score_tokens(small_backbone(), ids, lengths, number)
