import json
import pathlib

import keras
import numpy as np
import pytest
from keras_hub.models import CausalLM
from safetensors.numpy import load_file

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3.converters.weight_files import open_weights
from keras_gpt3.models.presets.checkpoint_export import export_to_transformers
from keras_gpt3.models.presets.checkpoint_loading import load_checkpoint
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures" / "checkpoints"
DENSE = {"attention_pattern": ("dense",)}


def load(folder, **overrides):
    return load_checkpoint(GPT3Backbone, folder, None, overrides)


def read_config(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize(
    "name",
    ["gpt2", "cerebras_gpt", "gpt_neo", "gpt_neo_uneven", "opt", "opt_350m"],
)
def test_a_checkpoint_comes_back_bit_by_bit(tmp_path, name):
    source = FIXTURES / name
    export_to_transformers(GPT3(load(source)), tmp_path)
    before, after = open_weights(source), open_weights(tmp_path)
    for key in after.shapes:
        # Files as published may lack what a family's names begin with.
        short = key.removeprefix("transformer.").removeprefix("model.")
        (theirs,) = {key, short}.intersection(before.shapes)
        np.testing.assert_array_equal(after.read(key), before.read(theirs))
    model_type = read_config(source)["model_type"]
    assert read_config(tmp_path)["model_type"] == model_type


@pytest.mark.parametrize(
    ("switches", "architecture"),
    [
        (DENSE, "GPT2LMHeadModel"),
        (
            {"query_key_value_bias": False, "attention_scale": 1.0},
            "GPTNeoForCausalLM",
        ),
        (
            DENSE
            | {
                "activation": "relu",
                "position_offset": 2,
                "skip_padding_positions": True,
                "embedding_dim": 8,
                "norm_first": False,
                "use_final_norm": False,
            },
            "OPTForCausalLM",
        ),
    ],
)
def test_a_model_comes_back_from_the_family_that_has_its_switches(
    tmp_path, switches, architecture
):
    model = small_model(**switches)
    export_to_transformers(model, tmp_path, max_shard_size=5000)
    assert read_config(tmp_path)["architectures"] == [architecture]
    assert (tmp_path / "model.safetensors.index.json").exists()
    for ours, loaded in zip(
        model.backbone.weights, load(tmp_path).weights, strict=True
    ):
        np.testing.assert_array_equal(ours, loaded, err_msg=ours.path)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"num_layers": 3, "scale_by_inverse_layer_index": True},
        {"use_bias": False, "attention_scale": 0.5},
        {"layer_norm_affine": False, "dtype": "mixed_bfloat16"},
    ],
    ids=lambda switches: next(iter(switches), "as_gpt3"),
)
def test_banded_layers_come_back_as_gpt_neo_s(tmp_path, switches):
    model = small_model(**switches)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        noise = generator.normal(0, 0.2, weight.shape)
        weight.assign(noise + ("gamma" in weight.path))
    export_to_transformers(model, tmp_path)
    assert read_config(tmp_path)["architectures"] == ["GPTNeoForCausalLM"]
    loaded = GPT3(load(tmp_path))
    token_ids = generator.integers(61, size=(4, 12), dtype="int32")
    inputs = as_inputs(token_ids)
    exact = small_model(**switches | {"dtype": "float32"})
    exact.set_weights(model.get_weights())
    # Rounding in another order.
    np.testing.assert_allclose(exact(inputs), loaded(inputs), atol=1e-5)


def test_banded_layers_in_16_bits_leave_no_file(tmp_path):
    model = small_model(dtype="bfloat16")
    bias = model.backbone.decoder_blocks[1].query_key_value.bias
    bias.assign(np.ones(bias.shape))
    with pytest.raises(ValueError, match="decoder_block_0.*dtype='float32'"):
        export_to_transformers(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_no_family_has_is_an_error(tmp_path):
    model = small_model(norm_first=False)
    with pytest.raises(ValueError, match="a class of transformers can compute"):
        export_to_transformers(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("policy", "stored"),
    [
        ("bfloat16", "bfloat16"),
        ("float16", "float16"),
        ("mixed_bfloat16", "float32"),
    ],
)
def test_tensors_have_the_type_of_the_variables(tmp_path, policy, stored):
    model = small_model(dtype=policy, **DENSE)
    export_to_transformers(model, tmp_path)
    assert stored in read_config(tmp_path).values()
    read = open_weights(tmp_path).read("transformer.wte.weight")
    assert str(read.dtype) == stored
    np.testing.assert_array_equal(
        read,
        keras.ops.convert_to_numpy(model.backbone.token_embedding.embeddings),
    )


def test_each_tensor_has_the_type_of_its_variable(tmp_path):
    policy = keras.dtype_policies.DTypePolicyMap("bfloat16")
    policy["token_embedding"] = keras.DTypePolicy("float32")
    export_to_transformers(small_model(dtype=policy, **DENSE), tmp_path)
    weights = open_weights(tmp_path)
    types = [
        str(weights.read(f"transformer.{name}.weight").dtype)
        for name in ("wte", "wpe")
    ]
    assert types == ["float32", "bfloat16"]


def test_adapters_are_merged(tmp_path):
    model = small_model(**DENSE)
    model.backbone.enable_lora(2)
    layer = model.backbone.decoder_blocks[0].query_key_value
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    export_to_transformers(model, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    by_head = np.reshape(layer.kernel, (16, 2, 3, 8))
    np.testing.assert_array_equal(
        tensors["transformer.h.0.attn.c_attn.weight"],
        by_head.swapaxes(1, 2).reshape(16, 48),
    )
    assert not [name for name in tensors if "lora" in name]


def test_a_quantized_model_leaves_no_file(tmp_path):
    model = quantize(small_model(num_layers=1, **DENSE), mode="int8")
    with pytest.raises(ValueError, match="must not be quantized"):
        export_to_transformers(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_goes_along(tmp_path):
    model = small_text_model(**DENSE)
    export_to_transformers(model, tmp_path)
    end = model.preprocessor.tokenizer.end_token_id
    config = read_config(tmp_path)
    assert (config["bos_token_id"], config["eos_token_id"]) == (end, end)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["model_max_length"] == config["n_positions"] == 12
    loaded = GPT3.from_preset(tmp_path)
    text = "A text<|endoftext|>."
    np.testing.assert_array_equal(
        loaded.preprocessor.tokenizer(text), model.preprocessor.tokenizer(text)
    )


def test_progress_is_that_of_the_bytes_written(tmp_path, capsys):
    export_to_transformers(small_model(**DENSE), tmp_path, verbose=True)
    assert capsys.readouterr().err.startswith("export: 100% of the bytes, ")


def test_without_a_tokenizer_no_id_ends_texts(tmp_path):
    # Left out, they would be the family's own: 50256, or 2 in an OPT.
    export_to_transformers(small_model(**DENSE), tmp_path)
    config = read_config(tmp_path)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert config[name] is None


IDS = {"bos_token_id": 2, "eos_token_id": [3, 7], "pad_token_id": 1}


@pytest.mark.parametrize("ends", [[3, 7], [3], []])
def test_ids_without_a_tokenizer_survive_both_conversions(tmp_path, ends):
    ids = IDS | {"eos_token_id": ends}
    model = GPT3(small_backbone(**DENSE), special_token_ids=ids)
    model.export_to_transformers(tmp_path / "one")
    GPT3.from_preset(tmp_path / "one").save_to_preset(tmp_path / "two")
    loaded = GPT3.from_preset(tmp_path / "two")
    loaded.export_to_transformers(tmp_path / "three")
    for name in ("one", "three"):
        config = read_config(tmp_path / name)
        config = {key: config[key] for key in IDS}
        alone = {0: None, 1: 3, 2: ends}[len(ends)]
        assert config == IDS | {"eos_token_id": alone}
    # keras-hub's own loader reads them as well.
    for saved in (loaded, CausalLM.from_preset(str(tmp_path / "two"))):
        again = GPT3.from_config(saved.get_config())
        assert again.special_token_ids.get("eos_token_id", []) == ends


def test_only_a_checkpoint_is_replaced_and_only_when_asked(tmp_path):
    model = small_model(**DENSE)
    export_to_transformers(model, tmp_path)
    with pytest.raises(FileExistsError, match="must be empty or not exist"):
        export_to_transformers(model, tmp_path)
    export_to_transformers(model, tmp_path, overwrite=True)


@pytest.mark.parametrize("size", ["5 apples", 0])
def test_a_size_of_files_that_is_none_is_an_error(tmp_path, size):
    with pytest.raises(ValueError, match="must be a number of bytes above 0"):
        export_to_transformers(
            small_model(**DENSE), tmp_path / "model", max_shard_size=size
        )
