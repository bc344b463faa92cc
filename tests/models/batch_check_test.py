import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3.models.batch_check import check_batch
from keras_gpt3.models.batch_check import check_input
from keras_gpt3.models.batch_check import check_micro_batches
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model


@pytest.fixture(scope="module")
def model():
    return small_model(num_layers=1)


@pytest.fixture(scope="module")
def text_model():
    return small_text_model(num_layers=1)


def fails(message, function, *args):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*args)


def test_what_fit_takes_passes(model, text_model):
    x, y = small_batch()
    for data in (x, (x, y), tf.data.Dataset.from_tensor_slices((x, y)), None):
        check_input(model, data)
        check_input(text_model, data)
    for strings in (["one", "two"], np.array(["one", "two"])):
        check_input(text_model, strings)


@pytest.mark.parametrize("data", ["hello", ["hello", "world"]])
def test_strings_without_a_preprocessor_raise(data, model):
    fails(
        "x must be a dict of token_ids and padding_mask where no preprocessor "
        f"is attached. Received: x of type {type(data).__name__}. Attach a "
        "GPT3Preprocessor, or tokenize first.",
        check_input,
        model,
        data,
    )


def test_a_generator_raises_and_names_what_takes_one(text_model):
    message = (
        "^x must be text, .* Received: x of type generator. Make a dataset"
    )
    with pytest.raises(ValueError, match=message):
        check_input(text_model, (text for text in ["a", "b"]))


@pytest.mark.parametrize("as_data", [lambda x: x, tf.data.Dataset.from_tensors])
def test_a_dict_of_texts_raises_and_says_where_pairs_go(
    as_data, model, text_model
):
    x = as_data({"responses": ["b"], "prompts": ["a"]})
    message = (
        "x must be strings, or a dict of token_ids and padding_mask. Received: "
        "x with the keys ['prompts', 'responses']. Pass the strings alone; "
        "prompts with their answers are for keras_gpt3.data.CompletionExamples "
        "and keras_gpt3.training.finetune."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_input(text_model, x)
    message = (
        "x must be a dict of token_ids and padding_mask. Received: x with the "
        "keys ['prompts', 'responses']. Tokenize first."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_input(model, x)


def test_a_preprocessor_that_outgrew_the_context_raises(text_model):
    tokenizer = text_model.preprocessor.tokenizer
    model = small_text_model(num_layers=1)
    model.preprocessor = GPT3Preprocessor(tokenizer, sequence_length=13)
    fails(
        "A sequence must not be longer than max_sequence_length=12. Received: "
        "length=13. Shorten it, or build the model with a larger "
        "max_sequence_length.",
        check_input,
        model,
        ["hello"],
    )


def test_a_batch_comes_back_with_weights_of_rows_as_a_column(model):
    x, y = small_batch()
    weights = np.arange(4.0)
    checked, labels, column = check_batch(model, x, y, weights)
    assert set(checked) == {"token_ids", "padding_mask"}
    np.testing.assert_array_equal(checked["token_ids"], x["token_ids"])
    np.testing.assert_array_equal(labels, y)
    np.testing.assert_array_equal(column, weights[:, None])
    tokens = np.ones((4, LENGTH))
    assert check_batch(model, x, y, tokens)[2] is tokens
    assert check_batch(model, x, None, None)[1:] == (None, None)


@pytest.mark.parametrize("wrong", [-1, 61])
def test_labels_outside_the_vocabulary_raise(wrong, model):
    x, y = small_batch()
    y[1, 2] = wrong
    message = (
        "y must be from 0 to below vocabulary_size=61. Received: id={}. Use "
        "the tokenizer that the model was made for, or a larger "
        "vocabulary_size."
    )
    fails(message.format(wrong), check_batch, model, x, y, None)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    fails(message.format(wrong), model.evaluate, dataset)


def test_a_loss_of_one_s_own_may_take_other_labels():
    model = small_model(num_layers=1)
    model.compile("sgd", loss="mse")
    x, _ = small_batch()
    labels = np.full((4, LENGTH), -1.5)
    assert check_batch(model, x, labels, None)[1] is labels


@pytest.mark.backend("jax", reason="elsewhere there are replicas")
@pytest.mark.parametrize("micro_batch_size", [None, 1, 2])
def test_batches_divide_among_the_devices_of_jax(micro_batch_size):
    distribution = keras.distribution.DataParallel(
        devices=keras.distribution.list_devices()[:4]
    )
    with distribution.scope():
        model = small_model(num_layers=1)
        model.compile("sgd", micro_batch_size=micro_batch_size)
        check_input(model, batches_of(4))
        check_input(model, tf.data.Dataset.from_tensors(1.0))
        fails(
            "The batch axis of the mesh must divide the rows of a batch. "
            "Received: rows=6, batch_axis=4. Use a batch size of 8, or "
            "drop the batch that is not full.",
            check_input,
            model,
            batches_of(6),
        )
        check_micro_batches(model, batches_of(8))
        if micro_batch_size == 2:
            fails(
                "micro_batch_size must divide the rows of a batch on each "
                "replica. Received: rows=1, micro_batch_size=2. Use a divisor, "
                "or drop the batch that is not full.",
                check_micro_batches,
                model,
                batches_of(4),
            )


def batches_of(rows):
    dataset = tf.data.Dataset.from_tensor_slices(small_batch(rows))
    return dataset.batch(rows, drop_remainder=True)
