"""Each refusal is the sentence that Python says, where it says one."""

import re

import pytest
import tensorflow as tf

from keras_gpt3.export import text_checks
from keras_gpt3.models.continuation_pairs import continuation_pairs
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import small_text_model


def run(function, *arguments):
    with one_line_errors():
        return tf.function(lambda: function(*arguments), autograph=False)()


def test_a_request_without_texts_is_refused():
    message = (
        "A request must hold at least one text. Received: texts=0. Pass one or "
        "more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(text_checks.check_some_texts, tf.constant([], tf.string))


def test_an_empty_prompt_is_refused():
    ids = tf.ragged.constant([[1, 2], [], [3]])
    assert run(text_checks.prompt_lengths, ids[:1]).numpy().tolist() == [2]
    message = (
        "A prompt must have at least one token. Received: tokens=0. Pass "
        "<|endoftext|> to start from nothing."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(text_checks.prompt_lengths, ids)


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
        run(
            text_checks.check_as_many,
            tf.constant(contexts),
            ids.nrows(tf.int32),
        )
        run(text_checks.continuation_lengths, ids)
