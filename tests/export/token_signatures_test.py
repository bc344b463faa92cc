"""`saved_model_test` runs them exported; here, as plain functions."""

import inspect

import numpy as np
import tensorflow as tf

from keras_gpt3.export.token_signatures import continue_tokens
from keras_gpt3.export.token_signatures import decode_prompts
from keras_gpt3.export.token_signatures import logits_function
from keras_gpt3.export.token_signatures import token_endpoints
from keras_gpt3.ops import op_compilation
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch


def test_logits_are_those_of_the_backbone():
    backbone = small_backbone()
    inputs, _ = small_batch()
    with op_compilation(False):
        received = logits_function(backbone)(tf.constant(inputs["token_ids"]))
        expected = backbone.logits(backbone(inputs))
    np.testing.assert_allclose(received["logits"], expected, atol=1e-5)


def test_greedy_continuations_are_the_likeliest_of_whole_passes():
    backbone = small_backbone()
    ids = small_batch(rows=2)[0]["token_ids"]
    mask = np.arange(8) < np.array([[3], [6]])
    with op_compilation(False):
        answer, _ = continue_tokens(
            backbone,
            tf.constant(np.where(mask, ids, 0)),
            tf.constant(mask),
            -1,
            temperature=0.0,
            top_k=0,
            seed=0,
        )
        answer = answer.numpy()
        logits = backbone.logits(backbone(as_inputs(answer))).numpy()
    likeliest = logits.argmax(-1)[:, :-1]
    new = ~mask[:, 1:]
    np.testing.assert_array_equal(answer[:, 1:][new], likeliest[new])
    np.testing.assert_array_equal(answer[mask], ids[mask])


def test_a_watch_ends_the_loop():
    backbone = small_backbone()
    ids = small_batch(rows=2)[0]["token_ids"]
    mask = np.arange(8) < np.array([[3], [4]])

    def watch(watched, chosen, is_answer):
        watched = watched + tf.cast(is_answer, tf.int32)
        return watched, watched == 2

    with op_compilation(False):
        state = decode_prompts(
            backbone,
            tf.constant(np.where(mask, ids, 0)),
            tf.constant(mask),
            -1,
            lambda logits, index: tf.argmax(logits, -1, tf.int32),
            watch,
            tf.zeros([2], tf.int32),
        )
    # Two tokens each, the longer prompt's at positions 4 and 5.
    assert int(state.index) == 6
    assert not state.token_ids[:, 6:].numpy().any()
    np.testing.assert_array_equal(state.watched, [2, 2])


def test_each_argument_of_a_signature_has_its_spec():
    for function, specs in token_endpoints(small_backbone()).values():
        names = inspect.signature(function).parameters
        assert [spec.name for spec in specs] == list(names)
