import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3.models.fit.training_texts import packed_documents
from keras_gpt3.models.fit.training_texts import warn_of_truncation
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_text_model

TEXTS = ["hello world", "the", "hello 12 the world", "12 12"] * 3


@pytest.fixture
def model():
    return small_text_model(num_layers=1)


def documents(texts=TEXTS):
    return tf.data.Dataset.from_tensor_slices(texts)


def cut_by_hand(model, add_start_token=False):
    """Inputs and labels of the documents, one after the other."""
    tokenizer = model.preprocessor.tokenizer
    start = [tokenizer.start_token_id] * add_start_token
    rows = [[*start, *ids, tokenizer.end_token_id] for ids in tokenizer(TEXTS)]
    tokens = np.array(list(itertools.chain(*rows)))
    count = (len(tokens) - 1) // LENGTH
    return [
        tokens[shift : shift + count * LENGTH].reshape(count, LENGTH)
        for shift in (0, 1)
    ]


# === Packing ===


@pytest.mark.parametrize("add_start_token", [False, True])
def test_documents_are_packed_into_full_contexts(model, add_start_token):
    model.preprocessor.add_start_token = add_start_token
    batches, batch_size = packed_documents(model, documents(), batch_size=4)
    assert batch_size is None
    parts = [(x["token_ids"], y) for x, y in batches]
    inputs, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    expected = cut_by_hand(model, add_start_token)
    np.testing.assert_array_equal(inputs, expected[0])
    np.testing.assert_array_equal(labels, expected[1])
    assert all(np.all(x["padding_mask"]) for x, _ in batches)


def test_fit_and_evaluate_pack_documents(model):
    inputs, labels = cut_by_hand(model)
    x = {"token_ids": inputs, "padding_mask": np.ones(inputs.shape, "bool")}
    expected = model.evaluate(x, labels, verbose=0)[0]
    loss = model.evaluate(documents(), verbose=0)[0]
    assert loss == pytest.approx(expected, rel=1e-5)
    model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(
        documents(), batch_size=3, validation_data=documents(), verbose=0
    ).history
    assert int(model.optimizer.iterations) == -(-len(inputs) // 3)
    for name in ("loss", "val_loss"):
        assert history[name] == [pytest.approx(expected, rel=1e-5)]


def test_micro_batches_leave_out_a_last_batch_that_is_not_full(model):
    num_contexts = len(cut_by_hand(model)[0])
    assert num_contexts % 4
    model.compile("sgd", micro_batch_size=2)
    model.fit(documents(), batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == num_contexts // 4


def test_other_data_stays_what_it_is(model):
    for x in (TEXTS, "hello", None, documents().batch(2), *small_batch()):
        assert packed_documents(model, x, 3) == (x, 3) or x is not None
        assert packed_documents(model, x, 3)[0] is x


@pytest.mark.parametrize(
    ("texts", "micro_batch_size", "least", "received"),
    [(["the"], None, LENGTH + 1, 2), (["the"] * 32, 2, 32 * LENGTH + 1, 64)],
)
def test_documents_that_fill_no_batch_raise(
    texts, micro_batch_size, least, received, model
):
    message = (
        f"Documents must fill a batch: {least} tokens. Received: {received} "
        f"tokens, for sequence_length={LENGTH}. Use a "
        "preprocessor with a smaller one, or batch the dataset to pad each "
        "document."
    )
    model.compile("sgd", micro_batch_size=micro_batch_size)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(documents(texts))


def test_documents_without_an_end_of_text_between_them_raise(model):
    model.preprocessor = GPT3Preprocessor(
        model.preprocessor.tokenizer,
        sequence_length=LENGTH,
        add_end_token=False,
    )
    message = (
        "add_end_token must be True to pack documents, which it keeps apart. "
        "Received: add_end_token=False. Batch the dataset to pad each document "
        "instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(documents())


def test_documents_without_an_end_need_a_number_of_steps(model):
    with pytest.raises(ValueError, match="^steps_per_epoch must be given"):
        model.fit(documents().repeat())
    model.fit(documents().repeat(), steps_per_epoch=2, verbose=0)
    assert int(model.optimizer.iterations) == 2


# === What is told ===

REMEDY = (
    " Pass tf.data.Dataset.from_tensor_slices(texts) instead, which fit packs "
    "into full contexts."
)


@pytest.mark.parametrize("form", [list, tuple, np.array])
@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (
            ["12 " * 2000],
            "fit trains on 8 of 4,000 tokens, for strings are cut at "
            f"sequence_length=8.{REMEDY}",
        ),
        (
            ["the", "the"],
            "fit computes 16 positions for 2 tokens, for strings are padded "
            f"to sequence_length=8.{REMEDY}",
        ),
        (["the 12 the 12"], None),
    ],
)
def test_lengths_that_do_not_fit_are_told_once(
    texts, told, form, model, caplog
):
    for _ in "ab":
        warn_of_truncation(model, form(texts))
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [told] * bool(told)


def test_fit_tells_of_them(model, caplog):
    model.fit(["the"], verbose=0)
    assert "8 positions for 1 tokens" in caplog.text


def test_other_data_is_not_counted(model, caplog):
    for x in (None, "the", documents(), documents().batch(2), small_batch()[0]):
        warn_of_truncation(model, x)
    assert not caplog.records
