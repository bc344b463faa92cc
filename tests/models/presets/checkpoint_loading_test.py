import json
import logging

import keras
import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3.models.presets.checkpoint_export import export_to_transformers
from keras_gpt3.models.presets.checkpoint_loading import fill_variable
from keras_gpt3.models.presets.checkpoint_loading import load_checkpoint
from tests.converters.hub_server import running_hub
from tests.parallel.meshes import distributed
from tests.small_gpt3 import small_model

# === Checkpoint loading ===


DENSE = {"attention_pattern": ("dense",)}


@pytest.fixture
def folder(tmp_path):
    """A checkpoint of GPT-2 with random numbers in all weights."""
    model = small_model(**DENSE)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.normal(size=weight.shape))
    export_to_transformers(model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def load(folder, load_weights=None, **overrides):
    return load_checkpoint(GPT3Backbone, folder, load_weights, overrides)


def change_tensors(folder, **changes):
    """Puts other tensors into a checkpoint, or for `None` takes them out."""
    tensors = load_file(folder / "model.safetensors") | changes
    tensors = {n: array for n, array in tensors.items() if array is not None}
    save_file(tensors, folder / "model.safetensors")


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_each_weight_is_the_tensor_in_the_file(folder):
    backbone = load(folder)
    tensors = load_file(folder / "model.safetensors")
    for path, name in [
        ("token_embedding/embeddings", "wte.weight"),
        ("position_embedding/table/embeddings", "wpe.weight"),
        ("decoder_block_1/attention_output/kernel", "h.1.attn.c_proj.weight"),
        ("decoder_block_0/feed_forward_output/bias", "h.0.mlp.c_proj.bias"),
        ("final_norm/gamma", "ln_f.weight"),
    ]:
        (weight,) = (w for w in backbone.weights if w.path == path)
        np.testing.assert_array_equal(weight, tensors["transformer." + name])


@pytest.mark.parametrize(
    ("path", "name"), [("kernel", "weight"), ("bias", "bias")]
)
def test_queries_keys_and_values_go_by_head(folder, path, name):
    backbone = load(folder)
    heads = backbone.num_heads
    tensors = load_file(folder / "model.safetensors")
    theirs = tensors[f"transformer.h.1.attn.c_attn.{name}"]
    ours = np.array(getattr(backbone.decoder_blocks[1].query_key_value, path))
    theirs = theirs.reshape(*theirs.shape[:-1], 3, heads, -1)
    ours = ours.reshape(*ours.shape[:-1], heads, 3, -1)
    np.testing.assert_array_equal(ours, theirs.swapaxes(-3, -2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_numbers_are_cast_to_the_policy_asked_for(folder, dtype):
    policy = keras.DTypePolicy(dtype)
    backbone = load(folder, dtype=dtype)
    assert backbone.dtype_policy == policy
    tensors = load_file(folder / "model.safetensors")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(backbone.token_embedding.embeddings),
        tensors["transformer.wte.weight"].astype(policy.variable_dtype),
    )


def test_keras_global_policy_counts_if_none_is_asked_for(folder):
    keras.config.set_dtype_policy("bfloat16")
    assert load(folder).dtype_policy.name == "bfloat16"


def test_arguments_that_change_no_weight_can_differ(folder):
    assert load(folder, dropout=0.5).dropout == 0.5


def test_an_override_that_changes_a_weight_s_shape_is_an_error(folder):
    with pytest.raises(
        ValueError, match="Overrides must not change .* hidden_dim=32 where"
    ):
        load(folder, hidden_dim=32)
    assert load(folder, load_weights=False, hidden_dim=32).hidden_dim == 32


def test_a_model_without_its_weights_says_so(folder, caplog):
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        backbone = load(folder, load_weights=False)
    assert "No weights of" in caplog.text
    # Drawn, not zeros.
    assert np.std(backbone.token_embedding.embeddings) > 0.01


@pytest.mark.parametrize("load_weights", [None, True])
def test_the_weights_must_be_there(folder, load_weights):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="The folder must hold weights"):
        load(folder, load_weights)


def test_the_output_head_may_stand_there_again(folder):
    tensors = load_file(folder / "model.safetensors")
    head = tensors["transformer.wte.weight"]
    change_tensors(folder, **{"lm_head.weight": head})
    load(folder)
    change_tensors(folder, **{"lm_head.weight": head + 1})
    with pytest.raises(
        ValueError, match="lm_head.weight that differs from transformer.wte.wei"
    ):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"transformer.h.1.ln_2.bias": None}, "no transformer.h.1.ln_2.bias"),
        ({"classifier.weight": np.ones(2)}, "Received: classifier.weight"),
        ({"transformer.ln_f.bias": np.ones(2)}, r"ln_f.bias of shape \(2,\)"),
        ({"transformer.ln_f.bias": np.ones(16, "int8")}, "of type int8"),
    ],
)
def test_a_tensor_that_does_not_belong_is_named(folder, changes, named):
    change_tensors(folder, **changes)
    with pytest.raises(ValueError, match=named) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "llama"}, "model_type='llama'"),
        ({"activation_function": "swiglu"}, "swiglu"),
        ({"use_rotary": True}, "use_rotary"),
    ],
)
def test_a_config_that_is_not_understood_is_an_error(folder, changes, named):
    change_config(folder, **changes)
    with pytest.raises(ValueError, match=named) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_a_truncated_file_is_an_error(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="a whole safetensors file"):
        load(folder)


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(folder):
    change_config(folder, n_embd=2**20, n_inner=2**22)
    with pytest.raises(MemoryError, match="The weights of .* must fit"):
        load(folder)


def test_a_quantized_type_is_an_error(folder):
    with pytest.raises(
        ValueError, match="dtype='int8_from_float32'. Load it without, and call"
    ):
        load(folder, dtype="int8_from_float32")


def test_every_replica_gets_the_weights(folder):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Replicas are TensorFlow's.")
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        backbone = load(folder)
    table = load_file(folder / "model.safetensors")["transformer.wte.weight"]
    for component in backbone.token_embedding.embeddings.value.values:
        np.testing.assert_array_equal(component.numpy(), table)


@pytest.mark.backend("jax", reason="others distribute nothing")
def test_a_table_that_devices_share_gets_its_weights_and_rows_of_zeros(folder):
    with distributed((1, 2)):
        backbone = GPT3Backbone.from_preset(folder)
    tensors = load_file(folder / "model.safetensors")
    table = np.asarray(backbone.token_embedding.all_rows)
    assert table.shape == (128, 16)
    np.testing.assert_array_equal(table[:61], tensors["transformer.wte.weight"])
    np.testing.assert_array_equal(table[61:], 0.0)
    others = zip(load(folder).weights, backbone.weights, strict=True)
    for theirs, ours in others:
        if ours is not backbone.token_embedding.all_rows:
            np.testing.assert_array_equal(ours, theirs)


def test_a_checkpoint_is_a_preset(folder):
    model = GPT3.from_preset(folder)
    assert model.preprocessor is None
    assert model.backbone.get_config().items() >= DENSE.items()


def test_a_checkpoint_comes_from_the_hub_and_then_from_the_cache(
    folder, tmp_path, monkeypatch
):
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with running_hub(tmp_path / "cache", monkeypatch) as hub:
        hub.publish("org/name", files, revision="v1")
        downloaded = GPT3.from_preset("hf://org/name@v1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cached = GPT3.from_preset("hf://org/name@v1")
    for model in (downloaded, cached):
        np.testing.assert_array_equal(
            model.backbone.token_embedding.embeddings,
            load(folder).token_embedding.embeddings,
        )


# === Variable slices ===


NUMBERS = np.arange(12, dtype="float32").reshape(4, 3)


def quarters(array):
    """Four parts that cover a matrix."""
    for rows in (slice(0, 1), slice(1, 4)):
        for columns in (slice(0, 2), slice(2, 3)):
            yield (rows, columns), array[rows, columns]


def test_parts_fill_a_variable():
    variable = keras.Variable("ones", shape=(4, 3))
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(np.asarray(variable.value), NUMBERS)


def test_another_backend_gets_the_whole_array(monkeypatch):
    variable = keras.Variable("ones", shape=(4, 3))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(np.asarray(variable.value), NUMBERS)


@pytest.mark.backend("jax", reason="tables are padded there")
def test_what_no_part_covers_is_zero(monkeypatch):
    variable = keras.Variable("ones", shape=(6, 3))
    # What memory may hold that is not cleared.
    monkeypatch.setattr(np, "empty", lambda *shape: np.full(shape[0], 7.0))
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(np.asarray(variable.value)[4:], 0.0)


@pytest.mark.backend("tensorflow", reason="its variables are written to")
def test_a_variable_is_not_read_and_so_not_copied(monkeypatch):
    from tensorflow.python.ops import gen_resource_variable_ops

    def refuse(*args, **kwargs):
        raise AssertionError("What is being read is copied before a write.")

    variable = keras.Variable("ones", shape=(4, 3))
    with monkeypatch.context() as patch:
        patch.setattr(gen_resource_variable_ops, "read_variable_op", refuse)
        fill_variable(variable, quarters(NUMBERS))
        with pytest.raises(AssertionError, match="copied before a write"):
            variable.value[0:1].assign(NUMBERS[0:1])
    np.testing.assert_array_equal(np.asarray(variable.value), NUMBERS)


@pytest.mark.backend("tensorflow", reason="its variables have replicas")
def test_every_replica_is_filled():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        variable = keras.Variable("ones", shape=(4, 3))
    fill_variable(variable, quarters(NUMBERS))
    assert len(variable.value.values) == 2
    for component in variable.value.values:
        np.testing.assert_array_equal(component.numpy(), NUMBERS)


def test_numbers_are_cast_to_the_variable_s_type():
    variable = keras.Variable("ones", shape=(4, 3), dtype="bfloat16")
    fill_variable(variable, quarters(NUMBERS))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(variable).astype("float32"), NUMBERS
    )
