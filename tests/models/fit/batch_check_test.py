import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3.models.fit.batch_check import batch_shape
from keras_gpt3.models.fit.batch_check import check_batch
from keras_gpt3.models.fit.batch_check import check_input
from keras_gpt3.models.fit.batch_check import check_micro_batches
from keras_gpt3.parallel import mirrored_strategy
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.training.small_training import even_dataset


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


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return small_batch()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: (text for text in ["a", "b"]), "generator"),
        (lambda: Batches(workers=0), "Batches"),
        (lambda: iter(["a", "b"]), "list_iterator"),
    ],
)
def test_data_that_is_read_by_python_raises_and_names_what_takes_it(
    make, name, text_model
):
    message = (
        f"^x must be text, .* Received: x of type {name}. Make a dataset of it "
        "with tf.data.Dataset.from_generator, or token shards with "
    )
    for route in ("fit", "evaluate", "predict"):
        with pytest.raises(ValueError, match=message):
            getattr(text_model, route)(make())


@pytest.mark.backend("tensorflow", reason="JAX has no strategies")
def test_a_dataset_that_is_distributed_already_raises():
    strategy = mirrored_strategy(2)
    with strategy.scope():
        model = small_model(num_layers=1)
    dataset = strategy.experimental_distribute_dataset(batches_of(4))
    fails(
        "x must be text, a dict of arrays or a tf.data.Dataset. Received: x of "
        "type DistributedDataset. Pass the dataset that was distributed, which "
        "fit distributes.",
        model.fit,
        dataset,
    )


@pytest.mark.parametrize("kind", ["RaggedTensor", "RaggedTensorSpec", "list"])
def test_rows_of_several_lengths_raise(kind, model):
    ids = [[1, 2], [3]]
    if kind.startswith("Ragged"):
        ids = tf.ragged.constant(ids)
    data = ({"token_ids": ids, "padding_mask": ids}, ids)
    routes = ["fit", "evaluate", "train_on_batch"]
    if kind.endswith("Spec"):
        data = (tf.data.Dataset.from_tensors(data),)
        routes = routes[:2]
    for route in routes:
        fails(
            "token_ids must be rows of one length. Received: token_ids of type "
            f"{kind}. Pad them, with a padding_mask that is False there.",
            getattr(model, route),
            *data,
        )


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("steps_per_epoch", lambda model, data: model.fit(data)),
        ("steps", lambda model, data: model.evaluate(data)),
        ("steps", lambda model, data: model.predict(data)),
        (
            "validation_steps",
            lambda model, data: model.fit(*small_batch(), validation_data=data),
        ),
    ],
)
def test_a_dataset_without_an_end_needs_a_number_of_steps(name, route, model):
    fails(
        f"{name} must be given with a dataset that has no end. Received: "
        f"{name}=None. Give it, or epochs to packed_dataset.",
        route,
        model,
        batches_of(4).repeat(),
    )


def test_a_dataset_without_an_end_is_read_for_as_many_steps():
    model = small_model(num_layers=1)
    dataset = batches_of(4).repeat()
    history = model.fit(
        dataset,
        steps_per_epoch=2,
        validation_data=dataset,
        validation_steps=1,
        verbose=0,
    ).history
    assert int(model.optimizer.iterations) == 2
    assert set(history) >= {"loss", "val_loss"}


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


TEXTS = ["one", "two"]
TEXT_FORMS = {
    "list": lambda *others: (TEXTS, *others),
    "array": lambda *others: (np.array(TEXTS), *others),
    "dataset": lambda *others: (
        tf.data.Dataset.from_tensor_slices((TEXTS, *others)).batch(2),
    ),
}


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_strings_have_labels_and_weights_of_their_own(form, text_model):
    data = TEXT_FORMS[form](np.ones(2, "int32"))
    message = (
        "^y must be None with strings, which give the labels and weights of "
        "their tokens. Received: y of type .*. Pass what the preprocessor "
        "makes of the strings, changed as you wish.$"
    )
    for route in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        if form == "dataset" and "batch" in route:
            continue
        with pytest.raises(ValueError, match=message):
            getattr(text_model, route)(*data)
    if form != "dataset":
        with pytest.raises(ValueError, match=message):
            text_model.fit(TEXTS, validation_data=data)
        with pytest.raises(ValueError, match="^sample_weight must be None"):
            text_model.evaluate(data[0], sample_weight=np.ones(2))


@pytest.mark.parametrize("route", ["fit", "train_on_batch"])
def test_a_weight_of_a_class_is_refused_where_each_token_is_a_label(
    route, model
):
    message = (
        "class_weight must be None, for every token is a label. Received: "
        "class_weight={1: 2.0}. Pass the weight of each token as "
        "sample_weight."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(model, route)(*small_batch(), class_weight={1: 2.0})


DIVIDES = {"rows": 8, "batch_size": 4}


@pytest.mark.parametrize(
    ("options", "wrong_rows"),
    [
        (DIVIDES, None),
        (DIVIDES | {"batch_size": None}, None),  # One batch of 8.
        (DIVIDES | {"rows": 9}, 1),
        (DIVIDES | {"rows": 9, "steps_per_epoch": 2}, None),
        (DIVIDES | {"rows": 9, "steps_per_epoch": 2, "epochs": 2}, 1),
        (
            DIVIDES
            | {"rows": 9, "steps_per_epoch": 2}
            | {"epochs": 2, "initial_epoch": 1},
            None,
        ),
        (DIVIDES | {"rows": 12, "validation_split": 0.25}, 1),
        (DIVIDES | {"batch_size": 3}, 3),
    ],
)
def test_micro_batches_divide_each_batch_of_arrays(options, wrong_rows):
    model = small_model(num_layers=1)
    model.compile("sgd", micro_batch_size=2)
    options = dict(options)
    x, y = small_batch(options.pop("rows"))
    before = model.optimizer.iterations
    if wrong_rows is None:
        check_micro_batches(model, x, **options)
        check_micro_batches(model, list(y), **options)  # As of strings.
        return
    fails(
        "micro_batch_size must divide the rows of a batch on each replica. "
        f"Received: rows={wrong_rows}, micro_batch_size=2. Use a divisor, or "
        "drop the batch that is not full.",
        lambda: model.fit(x, y, **options),
    )
    assert int(model.optimizer.iterations) == int(before) == 0


def test_a_list_is_not_made_an_array_to_count_its_rows(monkeypatch):
    """Of strings it would be as wide as the longest."""
    model = small_model(num_layers=1)
    model.compile("sgd", micro_batch_size=2)
    monkeypatch.setattr(np, "ndim", lambda x: pytest.fail("made an array"))
    check_micro_batches(model, ["a" * 9, "b"], batch_size=2)


@pytest.mark.backend("tensorflow", reason="JAX has no replicas")
def test_micro_batches_divide_the_part_of_the_last_replica():
    with mirrored_strategy(2).scope():
        model = small_model(num_layers=1)
        model.compile("sgd", micro_batch_size=2)
    for rows in (4, 6, 2 + 4 * 2):  # 2 and 2; 3 and 3; 4 and 4, 1 and 1.
        x, y = small_batch(rows)
        if rows == 4:
            check_micro_batches(model, x)
            continue
        with pytest.raises(ValueError, match="rows=[13], micro_batch_size=2"):
            model.fit(x, y, batch_size=8)


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
        fails(
            "The batch axis of the mesh must divide the rows of a batch. "
            "Received: rows=2, batch_axis=4. Use a batch size of 4, or "
            "drop the batch that is not full.",
            lambda: model.fit(*small_batch(10), batch_size=8),
        )
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


# === Batch shape ===


@pytest.mark.parametrize(
    ("x", "batch_size", "shape"),
    [
        (small_batch(rows=6)[0], 4, (4, LENGTH)),
        (small_batch(rows=6)[0], None, (6, LENGTH)),
        (small_batch(rows=40)[0], None, (32, LENGTH)),
        (even_dataset(2), None, (4, LENGTH)),
        (even_dataset(1).unbatch().batch(3), None, (None, LENGTH)),
        (even_dataset(1).unbatch(), None, (None, None)),
        (["a", "b", "c"], 2, (2, LENGTH)),
        ("a", None, (None, None)),
    ],
)
def test_the_shape_of_a_batch_is_found_where_it_is_known(x, batch_size, shape):
    assert batch_shape(small_text_model(), x, batch_size) == shape
