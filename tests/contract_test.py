"""What users of Keras expect of a model, asked of `GPT3` in one place."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import GPT3
from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training import AdamW
from keras_gpt3.training import TokenClock
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

TEXTS = ["hello world", "the world", "hello 12", "the"]


@pytest.fixture(scope="module")
def model():
    """A model for ids, compiled once: tests here may train it on."""
    model = small_model(num_layers=1)
    model.compile(AdamW(5e-3))
    return model


@pytest.fixture(scope="module")
def text_model():
    """The same for strings."""
    model = small_text_model(num_layers=1)
    model.compile(AdamW(5e-3), sampler="greedy")
    return model


def fit(model, rows=ROWS, **kwargs):
    """Trains on batches of four rows; returns the history."""
    kwargs = {"batch_size": ROWS, "verbose": 0} | kwargs
    return model.fit(*small_batch(rows), **kwargs).history


def assert_same_variables(received, expected):
    for one, other in zip(received, expected, strict=True):
        assert one.path.split("/")[1:] == other.path.split("/")[1:]
        np.testing.assert_array_equal(one.numpy(), other.numpy())


# === Saving ===


def test_a_saved_file_holds_model_tokenizer_and_compile_state(tmp_path):
    model = small_text_model(num_layers=1)
    model.compile(
        AdamW(TokenClock(5e-3, 32, 100, 10_000)),
        sampler=keras_hub.samplers.TopKSampler(k=3, temperature=0.5, seed=7),
    )
    model.fit(TEXTS, verbose=0)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert type(copy) is GPT3
    assert copy.get_config() == model.get_config()
    assert_same_variables(copy.weights, model.weights)
    assert int(copy.optimizer.iterations) == 1
    assert copy.optimizer.get_config() == model.optimizer.get_config()
    assert_same_variables(copy.optimizer.variables, model.optimizer.variables)
    assert type(copy.sampler) is type(model.sampler)
    assert copy.sampler.get_config() == model.sampler.get_config()
    tokenizers = [m.preprocessor.tokenizer for m in (copy, model)]
    assert tokenizers[0].get_vocabulary() == tokenizers[1].get_vocabulary()
    assert tokenizers[0](TEXTS) == tokenizers[1](TEXTS)
    # The next step is the same step.
    histories = [m.fit(TEXTS, verbose=0).history for m in (copy, model)]
    for name in ("loss", "accuracy", "learning_rate"):
        assert histories[0][name] == histories[1][name]
    assert_same_variables(copy.weights, model.weights)
    assert_same_variables(copy.optimizer.variables, model.optimizer.variables)


def test_a_saved_file_keeps_a_loss_of_one_s_own(tmp_path):
    model = small_model(num_layers=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss=loss, weighted_metrics=["accuracy"])
    expected = model.test_on_batch(*small_batch(), return_dict=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.test_on_batch(*small_batch(), return_dict=True) == expected


def test_a_saved_preset_generates_the_same_text(text_model, tmp_path):
    text_model.save_to_preset(tmp_path)
    copy = GPT3.from_preset(tmp_path)
    copy.compile(sampler="greedy")
    for prompt in TEXTS:
        assert copy.generate(prompt, 10) == text_model.generate(prompt, 10)


def test_weights_alone_are_saved_and_loaded(model, tmp_path):
    fit(model)
    model.save_weights(tmp_path / "model.weights.h5")
    copy = small_model(num_layers=1)
    # The optimizer of the copy has no slots yet.
    with pytest.warns(UserWarning, match="Skipping variable loading for opt"):
        copy.load_weights(tmp_path / "model.weights.h5")
    assert_same_variables(copy.weights, model.weights)


# === Callbacks ===


def test_model_checkpoint_keeps_the_best_model(model, tmp_path):
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="loss", save_best_only=True
    )
    losses = fit(model, epochs=3, callbacks=[checkpoint])["loss"]
    assert losses[2] < losses[1] < losses[0]
    copy = keras.saving.load_model(path)
    assert_same_variables(copy.weights, model.weights)
    assert_same_variables(copy.optimizer.variables, model.optimizer.variables)


def test_an_interrupted_run_is_resumed_where_it_was(tmp_path):
    class Interruption(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    first, second = (small_model(num_layers=1) for _ in "ab")
    for model in (first, second):
        model.compile(AdamW(TokenClock(5e-3, 32, 100, 10_000)))
    with pytest.raises(KeyboardInterrupt):
        fit(first, epochs=4, callbacks=[backup(), Interruption()])
    expected = fit(first, epochs=4, initial_epoch=2)
    resumed = fit(second, epochs=4, callbacks=backup())
    assert len(resumed["loss"]) == 2
    assert resumed["loss"] == expected["loss"]
    assert int(second.optimizer.iterations) == 4
    assert_same_variables(second.weights, first.weights)


def test_early_stopping_stops(model):
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=9.0, patience=1)
    assert len(fit(model, epochs=9, callbacks=stopping)["loss"]) == 2


def test_a_callback_schedules_the_learning_rate(model):
    schedule = keras.callbacks.LearningRateScheduler(lambda n: 0.001 * (n + 1))
    history = fit(model, epochs=2, callbacks=[schedule])
    assert history["learning_rate"] == pytest.approx([0.001, 0.002])


def test_tensorboard_gets_the_curves(model, tmp_path):
    tensorboard = keras.callbacks.TensorBoard(tmp_path, profile_batch=0)
    history = fit(model, epochs=2, callbacks=[tensorboard])
    (file,) = (tmp_path / "train").glob("events*")
    curves = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            number = tf.make_ndarray(value.tensor)
            curves.setdefault(value.tag, []).append(number)
    for name in ("loss", "accuracy", "tokens_per_second"):
        assert curves[f"epoch_{name}"] == pytest.approx(history[name])
    assert "epoch_learning_rate" in curves


# === Training ===


def test_the_history_has_a_number_for_each_epoch(model):
    history = fit(model, epochs=3)
    names = {
        "loss",
        "accuracy",
        "perplexity",
        "learning_rate",
        "tokens_per_second",
    }
    assert set(history) == names
    assert all(len(history[name]) == 3 for name in names)
    assert history["loss"][2] < history["loss"][0]


def test_the_progress_bar_shows_loss_speed_and_learning_rate(model, capsys):
    fit(model, verbose=1)
    shown = capsys.readouterr().out
    for name in ("loss: ", "tokens_per_second: ", "learning_rate: "):
        assert name in shown


def test_fit_validates_on_data_or_on_a_part_of_it(model):
    x, y = small_batch(rows=8)
    last = (keras.tree.map_structure(lambda v: v[4:], x), y[4:])
    for validation in ({"validation_data": last}, {"validation_split": 0.5}):
        history = fit(model, rows=8, **validation)
        expected = model.evaluate(*last, verbose=0, return_dict=True)
        assert history["val_loss"] == [pytest.approx(expected["loss"])]
        assert history["val_accuracy"] == [pytest.approx(expected["accuracy"])]
    dataset = tf.data.Dataset.from_tensor_slices(last).batch(4)
    history = fit(model, validation_data=dataset)
    expected = model.evaluate(dataset, verbose=0)
    assert history["val_loss"] == [pytest.approx(expected[0])]


@pytest.mark.slow
def test_rows_of_weight_0_are_as_if_absent(model):
    x, y = small_batch()
    weights = np.array([1, 1, 0, 0], "float32")
    part = keras.tree.map_structure(lambda v: v[:2], x)
    expected = model.evaluate(part, y[:2], verbose=0, return_dict=True)
    evaluated = model.evaluate(
        x, y, sample_weight=weights, verbose=0, return_dict=True
    )
    assert evaluated == pytest.approx(expected, rel=1e-5)
    trained = fit(model, sample_weight=weights)
    assert trained["loss"] == [pytest.approx(expected["loss"], rel=1e-5)]


def test_a_batch_is_trained_and_tested_by_hand(model):
    x, y = small_batch()
    before = model.test_on_batch(x, y, return_dict=True)
    assert before["perplexity"] == pytest.approx(np.exp(before["loss"]))
    names = ("loss", "accuracy", "perplexity")
    assert model.test_on_batch(x, y) == [before[name] for name in names]
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(before["loss"], rel=1e-5)
    assert set(logs) == {*before, "learning_rate"}
    assert model.test_on_batch(x, y)[0] < before["loss"]


@pytest.mark.slow
def test_several_steps_an_execution_are_the_same_steps():
    histories = []
    for steps in (1, 2):
        keras.utils.set_random_seed(0)
        model = small_model(num_layers=1)
        model.compile(AdamW(5e-3), steps_per_execution=steps)
        histories.append(fit(model, rows=3 * ROWS))
    for name in ("loss", "accuracy"):
        assert histories[0][name] == pytest.approx(histories[1][name])
    assert histories[1]["tokens_per_second"][0] > 0


def test_adapters_alone_are_trained_after_enable_lora():
    model = small_model(num_layers=1)
    model.backbone.enable_lora(rank=2)
    model.compile(AdamW(1e-2))
    names = [v.path for v in model.trainable_variables]
    before = {v.path: v.numpy() for v in model.weights}
    losses = fit(model, epochs=5)["loss"]
    assert losses[-1] < losses[0]
    for variable in model.weights:
        same = np.array_equal(variable.numpy(), before[variable.path])
        assert same == (variable.path not in names), variable.path


# === Strings ===


def test_strings_are_trained_on_as_the_preprocessor_turns_them(text_model):
    x, y, weights = text_model.preprocessor(TEXTS)
    # Each text has its end of text to predict, padding does not count.
    assert np.sum(weights) == sum(
        len(ids) for ids in text_model.preprocessor.tokenizer(TEXTS)
    )
    expected = text_model.evaluate(
        x, y, sample_weight=weights, verbose=0, return_dict=True
    )
    texts = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4)
    for data in (TEXTS, np.array(TEXTS), texts):
        evaluated = text_model.evaluate(data, verbose=0, return_dict=True)
        assert evaluated == pytest.approx(expected, rel=1e-5)
    for data in (TEXTS, texts):
        before = text_model.evaluate(TEXTS, verbose=0)[0]
        history = text_model.fit(data, verbose=0).history
        assert history["loss"] == [pytest.approx(before, rel=1e-5)]
        assert text_model.evaluate(TEXTS, verbose=0)[0] < before


def test_ids_are_trained_on_though_there_is_a_preprocessor(text_model):
    ids = small_batch()
    history = text_model.fit(*ids, epochs=3, verbose=0).history
    assert history["loss"][2] < history["loss"][0]
    dataset = tf.data.Dataset.from_tensor_slices(ids).batch(ROWS, True)
    assert text_model.evaluate(dataset, verbose=0)[0] < history["loss"][2]


def test_predict_takes_strings(text_model):
    logits = text_model.predict(TEXTS, verbose=0)
    assert logits.shape == (4, LENGTH, 272)
    x, _, _ = text_model.preprocessor(TEXTS)
    np.testing.assert_allclose(logits, text_model(x), atol=1e-5)


def test_the_summary_names_the_parts(text_model):
    lines = []
    text_model.summary(print_fn=lambda line, **kwargs: lines.append(line))
    summary = "\n".join(lines)
    for part in ("gpt3_backbone", "gpt3_tokenizer", "token_embedding"):
        assert part in summary
    assert f"{text_model.count_params():,}" in summary


# === Generation ===

SAMPLERS = {
    "greedy": keras_hub.samplers.GreedySampler,
    "top_k": lambda: keras_hub.samplers.TopKSampler(k=3, seed=1),
    "top_p": lambda: keras_hub.samplers.TopPSampler(p=0.9, seed=1),
    "beam": lambda: keras_hub.samplers.BeamSampler(num_beams=2),
}


@pytest.fixture(scope="module")
def untrained_text_model():
    """A model that has not learnt yet to end each text."""
    keras.utils.set_random_seed(0)
    return small_text_model(num_layers=1)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.quick_cases(1)
def test_every_sampler_continues_strings(name, untrained_text_model):
    model, prompts = untrained_text_model, ["hello", "the world"]
    for sampler in (name, SAMPLERS[name]()):
        model.compile(sampler=sampler)
        answers = model.generate(prompts, max_length=8, stop_token_ids=None)
        for answer, prompt in zip(answers, prompts, strict=True):
            assert answer.startswith(prompt)
            assert len(answer) > len(prompt)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.quick_cases(1)
def test_every_sampler_continues_ids_without_a_preprocessor(name):
    model = small_model(num_layers=1)
    model.compile(sampler=SAMPLERS[name]())
    ids = small_batch(rows=2)[0]["token_ids"][:, :3]
    answer = model.generate(as_inputs(ids), max_length=8)
    assert answer["token_ids"].shape == (2, 8)
    np.testing.assert_array_equal(answer["token_ids"][:, :3], ids)
    assert answer["padding_mask"].all()


@pytest.mark.backend(
    "tensorflow", reason="JAX spreads models by Keras' distributions."
)
@pytest.mark.slow
def test_a_model_made_in_the_scope_of_a_strategy_generates_the_same():
    keras.utils.set_random_seed(0)
    plain = small_text_model(num_layers=1)
    with mirrored_strategy(2).scope():
        mirrored = small_text_model(num_layers=1)
    mirrored.set_weights(plain.get_weights())
    for model in (plain, mirrored):
        model.compile(sampler="greedy")
    for prompt in ("hello", ["the world", "12"]):
        expected = plain.generate(prompt, max_length=10)
        assert mirrored.generate(prompt, max_length=10) == expected


# === The default dtype ===


@pytest.fixture
def floatx(request):
    """Keras' default dtype, for a test."""
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("floatx", ["bfloat16"], indirect=True)
def test_trackers_count_what_a_bfloat16_cannot(floatx):
    model = small_model(num_layers=1)
    model.compile(keras.optimizers.SGD(0.0))
    for metric in model.metrics:
        # It has 8 bits.
        keras.metrics.Mean.update_state(metric, 1.0, sample_weight=257.0)
        assert float(metric.count) == 257.0


@pytest.mark.parametrize("floatx", ["bfloat16"], indirect=True)
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_a_loss_of_your_own_trains_in_bfloat16(floatx):
    model = small_model(num_layers=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3), loss=loss)
    assert np.isfinite(float(fit(model)["loss"][0]))
