"""Each refusal is the sentence that Python says, where it says one."""

import re

import pytest
import tensorflow as tf

from keras_gpt3.export import text_signatures
from keras_gpt3.models.score.continuation_pairs import continuation_pairs
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import small_text_model


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
