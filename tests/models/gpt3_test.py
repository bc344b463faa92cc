import re

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training import AdamW
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

OUTSIDE = (
    "token_ids must be from 0 to below vocabulary_size=61. Received: id={}. "
    "Use the tokenizer that the model was made for, or a larger "
    "vocabulary_size."
)

METRICS = ["loss", "accuracy", "perplexity"]


@pytest.fixture(scope="module")
def model():
    """A compiled model that no test here trains."""
    model = small_model(num_layers=1)
    model.compile("sgd", sampler="greedy")
    return model


@pytest.fixture(scope="module")
def text_model():
    model = small_text_model(num_layers=1)
    model.compile("sgd", sampler="greedy")
    return model


def dataset_of(x, y, batch_size=2, drop_remainder=True):
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    return dataset.batch(batch_size, drop_remainder)


def fails(function, message, error=ValueError):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function()


# === Forward pass ===


def test_the_logits_are_the_hidden_states_times_the_token_embedding(model):
    x, _ = small_batch()
    table = ops.convert_to_numpy(model.backbone.token_embedding.embeddings)
    expected = ops.convert_to_numpy(model.backbone(x)) @ table.T
    logits = ops.convert_to_numpy(model(x))
    assert logits.shape == (4, LENGTH, SMALL["vocabulary_size"])
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    assert model.count_params() == model.backbone.count_params()


def test_predict_gives_the_logits(model):
    x, _ = small_batch()
    predicted = model.predict(x, batch_size=4, verbose=0)
    np.testing.assert_allclose(predicted, model(x), atol=1e-6)
    np.testing.assert_allclose(
        model.predict(dataset_of(x, x["token_ids"]), verbose=0),
        predicted,
        atol=1e-6,
    )


# === Input that is wrong ===

ROUTES = {
    "call": lambda model, x, y: model(x),
    "fit": lambda model, x, y: model.fit(x, y, verbose=0),
    "fit with validation": lambda model, x, y: model.fit(
        *small_batch(), validation_data=(x, y), verbose=0
    ),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
    "generate": lambda model, x, y: model.generate(x),
}


@pytest.mark.parametrize("wrong", [-1, 61])
@pytest.mark.parametrize("route", ROUTES)
def test_ids_outside_the_vocabulary_raise(route, wrong, model):
    x, y = small_batch()
    x["token_ids"][2, 5] = wrong
    fails(lambda: ROUTES[route](model, x, y), OUTSIDE.format(wrong))


@pytest.mark.parametrize("route", ["fit", "evaluate", "predict"])
def test_ids_outside_the_vocabulary_in_a_dataset_raise(route, model):
    x, y = small_batch()
    x["token_ids"][2, 5] = 61
    dataset = dataset_of(x, y)
    fails(lambda: getattr(model, route)(dataset, verbose=0), OUTSIDE.format(61))


@pytest.mark.parametrize("route", ["call", "fit", "generate"])
def test_ids_that_are_no_integers_raise(route, model):
    x, y = small_batch()
    x["token_ids"] = x["token_ids"].astype("float32")
    fails(
        lambda: ROUTES[route](model, x, y),
        "token_ids must be integers. Received: dtype=float32. Tokenize the "
        "text, or cast the ids to int32.",
    )


TOO_LONG = (
    "A sequence must not be longer than max_sequence_length=12. Received: "
    "length={}. Shorten it, or build the model with a larger "
    "max_sequence_length."
)


@pytest.mark.parametrize("route", ROUTES)
def test_a_sequence_longer_than_the_context_raises(route, model):
    # Another length first: TensorFlow then no longer traces each one.
    model.predict_on_batch(small_batch()[0])
    ids = np.ones((2, 13), "int32")
    fails(
        lambda: ROUTES[route](model, as_inputs(ids), ids), TOO_LONG.format(13)
    )


@pytest.mark.parametrize("route", ["fit", "evaluate"])
def test_a_dataset_of_sequences_longer_than_the_context_raises(route, model):
    ids = np.ones((2, 13), "int32")
    dataset = dataset_of(as_inputs(ids), ids)
    fails(
        lambda: getattr(model, route)(dataset, verbose=0), TOO_LONG.format(13)
    )


@pytest.mark.backend("tensorflow", reason="JAX has no replicas")
@pytest.mark.parametrize(
    "route",
    [
        lambda model, dataset: model.fit(dataset),
        lambda model, dataset: model.fit(
            *small_batch(), validation_data=dataset
        ),
        lambda model, dataset: model.evaluate(dataset),
    ],
    ids=["fit", "validation", "evaluate"],
)
def test_batches_that_the_replicas_do_not_divide_raise(route):
    with mirrored_strategy(2).scope():
        model = small_model(num_layers=1)
    fails(
        lambda: route(model, dataset_of(*small_batch(), batch_size=3)),
        "The number of replicas must divide the batch size. Received: "
        "batch_size=3, num_replicas=2. Use a batch size of 4, or fewer "
        "replicas.",
    )


def test_a_tokenizer_larger_than_the_backbone_raises():
    preprocessor = small_text_model().preprocessor
    fails(
        lambda: GPT3(small_backbone(), preprocessor),
        "vocabulary_size must be at least the tokenizer's 272. Received: "
        "vocabulary_size=61. Enlarge the backbone's vocabulary, or pass "
        "preprocessor=None.",
    )


# === Compile ===


@pytest.mark.parametrize("preprocessor", ["x", 5])
def test_what_is_no_preprocessor_raises(preprocessor):
    fails(
        lambda: GPT3.from_preset("gpt3_small_en", preprocessor=preprocessor),
        "preprocessor must be a GPT3Preprocessor, None or 'auto'. Received: "
        f"preprocessor={preprocessor!r}. Leave it out for the preset's own.",
    )


def trained(model, optimizer):
    model.compile(optimizer)
    return model.fit(*small_batch(), verbose=0)


@pytest.mark.parametrize(
    "ids",
    [
        {"eos_token_id": 61},
        {"bos_token_id": [1]},
        {"eos": 1},
        {"pad_token_id": True},
    ],
)
def test_special_ids_outside_the_vocabulary_raise(ids):
    message = (
        "special_token_ids must map bos_token_id, eos_token_id and "
        "pad_token_id to ids below vocabulary_size=61. Received: "
        f"special_token_ids={ids}. Leave out what there is not."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GPT3(small_backbone(), special_token_ids=ids)


def test_accumulation_by_the_optimizer_raises():
    fails(
        lambda: trained(
            small_model(num_layers=1), AdamW(gradient_accumulation_steps=2)
        ),
        "gradient_accumulation_steps must be None: under a distribution "
        "strategy the optimizer cannot accumulate. Received: "
        "gradient_accumulation_steps=2. Leave it out, and use "
        "micro_batch_size of GPT3.compile.",
    )


def test_the_defaults_of_compile_are_for_fine_tuning():
    model = small_model()
    assert type(model.optimizer) is keras.optimizers.Adam
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-5)
    assert type(model.sampler) is keras_hub.samplers.TopKSampler
    assert [metric.name for metric in model.metrics] == METRICS


def test_a_model_can_be_compiled_again_without_metrics_of_its_own():
    model = small_model(num_layers=1)
    model.compile("sgd", loss="mse", metrics=["mae"])
    assert "compile_metrics" in [metric.name for metric in model.metrics]
    model.compile("sgd")
    assert [metric.name for metric in model.metrics] == METRICS
    logs = model.test_on_batch(*small_batch(), return_dict=True)
    assert set(logs) == set(METRICS)


def test_what_the_step_tracks_is_no_weight_of_the_model():
    model = small_model()
    assert len(model.weights) == len(model.backbone.weights)


# === Generation ===


def slow_greedy(model, ids, length):
    """One token after the other, each from a whole forward pass."""
    # Of one shape, as each new one costs compilations.
    rows = np.zeros((len(ids), length), "int32")
    rows[:, : ids.shape[1]] = ids
    for end in range(ids.shape[1], length):
        x = as_inputs(rows)
        x["padding_mask"][:, end:] = False
        logits = ops.convert_to_numpy(model(x))
        rows[:, end] = logits[:, end - 1].argmax(-1)
    return rows


def test_greedy_answers_are_those_of_whole_forward_passes(model):
    prompt = small_batch()[0]["token_ids"][:, :3]
    answer = model.generate(as_inputs(prompt), max_length=10)
    expected = slow_greedy(model, prompt, 10)
    np.testing.assert_array_equal(answer["token_ids"], expected)
    assert answer["padding_mask"].all()


def test_prompts_of_unequal_length_are_continued_each_from_its_end(model):
    ids = small_batch()[0]["token_ids"]
    x = as_inputs(ids)
    x["padding_mask"][1, 3:] = False
    x["token_ids"][1, 3:] = 7
    answer = model.generate(x, max_length=10)
    for row, length in enumerate((8, 3, 8, 8)):
        expected = slow_greedy(model, ids[row : row + 1, :length], 10)
        np.testing.assert_array_equal(answer["token_ids"][row], expected[0])


def test_an_answer_ends_with_the_first_stop_token(model):
    prompt = small_batch()[0]["token_ids"][:1, :3]
    full = slow_greedy(model, prompt, 10)[0]
    stop = int(full[5])
    end = 3 + list(full[3:]).index(stop)
    x = as_inputs(prompt)
    answer = model.generate(x, max_length=10, stop_token_ids=[stop])
    (mask,), (ids,) = answer["padding_mask"], answer["token_ids"]
    np.testing.assert_array_equal(mask, np.arange(10) <= end)
    np.testing.assert_array_equal(ids[mask], full[mask])


def test_the_end_of_text_ends_an_answer_though_it_is_the_padding(text_model):
    tokenizer = text_model.preprocessor.tokenizer
    assert tokenizer.pad_token_id == tokenizer.end_token_id
    full = text_model.generate("hello", max_length=10, stop_token_ids=None)
    assert full.startswith("hello")
    assert len(tokenizer(full)) > 3
    assert text_model.generate("hello", max_length=10) == full


def test_a_prompt_can_be_stripped(text_model):
    full = text_model.generate("hello", max_length=10)
    answer = text_model.generate("hello", max_length=10, strip_prompt=True)
    assert full == "hello" + answer


@pytest.mark.parametrize("max_length", [13, 80])
def test_a_maximal_length_beyond_the_context_raises(
    max_length, model, text_model
):
    message = TOO_LONG.format(max_length)
    fails(lambda: text_model.generate("hello", max_length), message)
    x = as_inputs(np.ones((1, 2), "int32"))
    fails(lambda: model.generate(x, max_length), message)


def test_ids_where_strings_are_expected_raise(text_model):
    fails(
        lambda: text_model.generate(as_inputs(np.ones((1, 2), "int32"))),
        "inputs must be strings where a preprocessor is attached. Received: "
        "inputs=dict of ids. Set model.preprocessor = None to generate from "
        "ids.",
    )


def test_a_prompt_that_is_too_long_raises(text_model):
    fails(
        lambda: text_model.generate("12 12 12", max_length=3),
        "A prompt must fit sequence_length. Received: a prompt of 5 tokens, "
        "sequence_length=3. Shorten the prompt, raise `max_length` "
        "(`sequence_length`), or set truncate to left.",
    )


# === Export ===


@pytest.mark.backend("jax", reason="TensorFlow writes what it asks for")
def test_export_says_where_it_runs(model, tmp_path):
    message = (
        "The export of a SavedModel must run on Keras' TensorFlow backend. "
        "Received: KERAS_BACKEND=jax. Save with save_to_preset, and load and "
        "export under KERAS_BACKEND=tensorflow."
    )
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        model.export(tmp_path)
    assert not any(tmp_path.iterdir())


# === Keras' float type ===


@pytest.fixture(params=["bfloat16", "float16", "float64"])
def floatx(request):
    if request.param == "float64" and keras.config.backend() == "jax":
        pytest.skip("JAX has 64 bits only by a setting of its own.")
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_floatx("float32")


@pytest.mark.slow
def test_a_model_works_under_every_float_type_of_keras(floatx):
    # Ints without a type have as many bits as that one has.
    model = small_text_model()
    model.compile("sgd", sampler="greedy")
    x, y = small_batch()
    if keras.config.floatx() == "float16":
        with pytest.raises(ValueError, match="must not be float16"):
            model.fit(x, y, verbose=0)
    else:
        model.fit(x, y, verbose=0)
    losses = model.evaluate(x, y, verbose=0, return_dict=True)
    logits = ops.convert_to_numpy(ops.cast(model(x), "float32"))
    normal = np.log(np.exp(logits).sum(-1))
    chosen = np.take_along_axis(logits, y[..., None], -1)[..., 0] - normal
    assert float(losses["loss"]) == pytest.approx(-chosen.mean(), rel=0.01)

    first, second = int(x["token_ids"][0, 0]), int(y[0, 0])
    score = model.score([first], [second], top_n=2)
    assert score.log_likelihood == pytest.approx(chosen[0, 0], rel=0.01)
    assert model.generate("ab", max_length=6).startswith("ab")
    options = {"temperature": 1.0, "top_k": 9, "top_p": 0.9, "seed": 1}
    drawn = model.generate("ab", max_length=6, **options)
    assert drawn == model.generate("ab", max_length=6, **options)
    answers = model.beam_search("ab", num_beams=2, max_new_tokens=3)
    assert answers[0].score >= answers[1].score


class Mine(GPT3):
    """A user's own, which knows of a backbone and a preprocessor."""

    def __init__(self, backbone, preprocessor=None):
        super().__init__(backbone, preprocessor)


def test_a_subclass_need_not_know_of_special_token_ids(tmp_path):
    small_text_model().save_to_preset(tmp_path / "saved")
    assert type(Mine.from_preset(str(tmp_path / "saved"))) is Mine


def test_special_ids_may_be_of_any_integer_type():
    given = {"eos_token_id": (np.int64(3), 4), "pad_token_id": np.int32(5)}
    ids = GPT3(small_backbone(), special_token_ids=given).special_token_ids
    assert ids == {"eos_token_id": [3, 4], "pad_token_id": 5}
