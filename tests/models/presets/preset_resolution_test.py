import functools
import logging
import re
import shutil

import keras
import keras_hub
import numpy as np
import pytest
from huggingface_hub import constants

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.models.presets import preset_resolution
from keras_gpt3.planning import preflight
from keras_gpt3.preset_loader import shipped_presets
from tests.converters.hub_server import fill_cache
from tests.converters.hub_server import running_hub
from tests.models.preset_refusal import refusal
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

PRESET = "gpt3_small_en"
# A whole preset takes half a gigabyte.
TINY = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "dtype": "float32"}


@pytest.fixture
def folder(tmp_path):
    """A saved backbone."""
    small_backbone(num_layers=1).save_to_preset(tmp_path)
    return tmp_path


def assert_equal_weights(received, expected):
    pairs = zip(received.weights, expected.weights, strict=True)
    for one, other in pairs:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.numpy(), other.numpy())


# === Shipped presets ===


def test_a_shipped_preset_is_its_config_with_overrides(caplog):
    model = GPT3.from_preset(PRESET, max_sequence_length=64, **TINY)
    config = model.backbone.get_config()
    expected = {
        "vocabulary_size": 50257,
        "intermediate_dim": 3072,
        "max_sequence_length": 64,
        "attention_pattern": ("dense", "banded"),
        "attention_window": 256,
        "activation": "gelu_approximate",
        "num_layers": 1,
        "hidden_dim": 8,
    }
    assert {key: config[key] for key in expected} == expected
    assert model.preprocessor.sequence_length == 64
    assert model.preprocessor.tokenizer.vocabulary_size() == 50257
    assert caplog.record_tuples == [
        (
            "keras_gpt3",
            logging.WARNING,
            "gpt3_small_en has no published weights; it is initialized as the "
            "paper says.",
        )
    ]


def test_the_preprocessor_can_be_left_out_or_given():
    given = small_text_model().preprocessor
    for preprocessor in (None, given):
        model = GPT3.from_preset(PRESET, preprocessor=preprocessor, **TINY)
        assert model.preprocessor is preprocessor


def test_a_dtype_overrides_the_global_policy():
    backbone = GPT3Backbone.from_preset(
        PRESET, **(TINY | {"dtype": "mixed_bfloat16"})
    )
    assert backbone.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("load_weights", [None, False])
def test_a_shipped_preset_loads_without_weights(load_weights):
    backbone = GPT3Backbone.from_preset(PRESET, load_weights, **TINY)
    assert backbone.num_layers == 1


def test_weights_of_a_shipped_preset_do_not_exist():
    refusal(
        "load_weights must be None or False for a shipped preset: GPT-3's "
        "weights were never published. Received: preset='gpt3_small_en', "
        "load_weights=True. Load a folder that save_to_preset wrote to get "
        "trained weights.",
        PRESET,
        load_weights=True,
    )


def test_an_unknown_preset_is_answered_with_the_known():
    refusal(
        'preset must be a known name, a local folder or "hf://org/name". '
        "Received: preset='gpt3_smal_en'. Use gpt3_small_en, the closest of "
        f"{', '.join(shipped_presets())} and the checkpoints that keras-gpt3 "
        "describe lists.",
        "gpt3_smal_en",
    )


@pytest.mark.parametrize(
    "override, hint",
    [
        ({"max_seq_length": 9}, "Did you mean max_sequence_length?"),
        ({"zzz": 9}, "Remove it."),
    ],
)
@pytest.mark.parametrize("saved", [False, True])
def test_an_unknown_override_raises(override, hint, saved, folder):
    (name,) = override
    with pytest.raises(ValueError, match="^Overrides must be arg") as error:
        GPT3.from_preset(folder if saved else PRESET, **override)
    message = str(error.value)
    assert message.endswith(f"Received: {name}=9. {hint}")
    assert set(SMALL) < set(re.findall(r"\w+", message))


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(
    monkeypatch, folder
):
    monkeypatch.setattr(preflight, "available_memory", lambda: 10**4)
    refusal(
        "The weights of gpt3_175b_en must fit into memory: 698.4 GB in "
        "float32 (2.8 TB with gradients and AdamW, to train). Received: "
        'available=10.0 kB. Use keras_gpt3.describe("gpt3_175b_en") to plan.',
        "gpt3_175b_en",
        error=MemoryError,
    )
    refusal(
        "349.2 GB in bfloat16",
        "gpt3_175b_en",
        dtype="bfloat16",
        error=MemoryError,
    )
    refusal(
        f"The weights of {folder} must fit into memory",
        folder,
        error=MemoryError,
    )


# === Saved presets ===


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_saved_model_comes_back_bitwise(dtype, tmp_path):
    model = small_text_model(dtype=dtype)
    model.preprocessor.sequence_length = 7
    model.save_to_preset(tmp_path)
    inputs = as_inputs(small_batch()[0]["token_ids"])
    expected = np.asarray(model(inputs))
    for copy in (
        GPT3.from_preset(tmp_path, dtype=dtype),
        keras_hub.models.CausalLM.from_preset(str(tmp_path), dtype=dtype),
    ):
        assert type(copy) is GPT3
        assert copy.backbone.get_config() == model.backbone.get_config()
        assert_equal_weights(copy.backbone, model.backbone)
        np.testing.assert_array_equal(np.asarray(copy(inputs)), expected)
        tokenizer = copy.preprocessor.tokenizer
        assert tokenizer.merges == model.preprocessor.tokenizer.merges
        texts = ["hello world", "the<|endoftext|>"]
        assert tokenizer(texts) == model.preprocessor.tokenizer(texts)
        assert copy.preprocessor.add_start_token is False
    for cls in (GPT3Backbone, keras_hub.models.Backbone):
        copy = cls.from_preset(str(tmp_path), dtype=dtype)
        assert type(copy) is GPT3Backbone
        assert_equal_weights(copy, model.backbone)


def test_the_preprocessor_of_a_saved_model_fills_the_context(tmp_path):
    model = small_text_model()
    model.preprocessor.sequence_length = 7
    model.save_to_preset(tmp_path)
    assert GPT3.from_preset(tmp_path).preprocessor.sequence_length == 12
    copy = keras_hub.models.CausalLM.from_preset(str(tmp_path))
    assert copy.preprocessor.sequence_length == 7


def test_a_model_without_preprocessor_is_saved_and_loaded(tmp_path):
    model = small_model(num_layers=1)
    model.save_to_preset(tmp_path)
    copy = GPT3.from_preset(tmp_path)
    assert copy.preprocessor is None
    assert_equal_weights(copy.backbone, model.backbone)


def test_weights_are_cast_to_a_global_policy_that_was_set(tmp_path):
    backbone = small_backbone(num_layers=1)
    backbone.save_to_preset(tmp_path)
    keras.config.set_dtype_policy("bfloat16")
    copy = GPT3Backbone.from_preset(tmp_path)
    assert copy.dtype_policy.name == "bfloat16"


@pytest.mark.parametrize("saved", ["bfloat16", "mixed_bfloat16"])
def test_a_saved_dtype_is_kept_unless_another_is_given(saved, tmp_path):
    backbone = small_backbone(num_layers=1, dtype=saved)
    backbone.save_to_preset(tmp_path)
    copy = GPT3Backbone.from_preset(tmp_path)
    assert copy.dtype_policy.name == saved
    assert_equal_weights(copy, backbone)
    copy = GPT3Backbone.from_preset(tmp_path, dtype="float32")
    assert copy.dtype_policy.name == "float32"
    for one, other in zip(copy.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy().astype("f"))


def test_a_saved_preset_takes_overrides_that_keep_its_shapes(folder):
    saved = GPT3Backbone.from_preset(folder)
    backbone = GPT3Backbone.from_preset(
        folder, attention_window=2, dropout=0.5, num_heads=4
    )
    assert_equal_weights(backbone, saved)
    assert backbone.attention_window == 2
    assert backbone.dropout == 0.5
    assert backbone.num_heads == 4


def test_an_override_that_changes_stored_shapes_raises(folder):
    refusal(
        "Overrides must not change the shape of stored weights. Received: "
        "num_layers=3, max_sequence_length=99 where the preset has "
        "num_layers=1, max_sequence_length=12. Pass load_weights=False to "
        "start from new weights.",
        folder,
        max_sequence_length=99,
        num_layers=3,
        dropout=0.5,
    )


def test_without_weights_a_saved_preset_takes_any_override(folder):
    backbone = GPT3Backbone.from_preset(
        folder, load_weights=False, max_sequence_length=99
    )
    assert backbone.max_sequence_length == 99
    assert backbone.num_layers == 1


def test_a_quantized_model_comes_back_quantized(tmp_path):
    model = quantize(small_text_model(num_layers=1), mode="int8")
    model.save_to_preset(tmp_path)
    copy = GPT3.from_preset(tmp_path)
    assert_equal_weights(copy.backbone, model.backbone)
    inputs, _ = small_batch()
    np.testing.assert_array_equal(copy(inputs), model(inputs))
    # Keras gives each layer the policies of all, and then cannot save it.
    copy.save_to_preset(tmp_path / "again")
    again = GPT3.from_preset(tmp_path / "again")
    np.testing.assert_array_equal(again(inputs), model(inputs))
    dense = again.backbone.decoder_blocks[0].query_key_value
    assert dense.dtype_policy.quantization_mode == "int8"


def test_another_model_s_preset_raises(tmp_path):
    keras_hub.models.GPT2Backbone(9, 1, 1, 4, 4, 0.0, 8).save_to_preset(
        tmp_path
    )
    refusal(
        f"preset must hold a GPT3Backbone. Received: preset={str(tmp_path)!r} "
        "with a GPT2Backbone. Call GPT2Backbone.from_preset instead.",
        tmp_path,
    )


# === Checkpoints in Hugging Face's format ===


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A model, and the folder of a checkpoint that holds it."""
    model = small_text_model(attention_pattern=("dense",))
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    model.export_to_transformers(folder)
    return model, folder


def test_a_checkpoint_comes_back_with_its_tokenizer(checkpoint):
    model, folder = checkpoint
    loaded = GPT3.from_preset(folder)
    assert_equal_weights(loaded, model)
    assert loaded.preprocessor.sequence_length == 12
    texts = ["the cat", "a<|endoftext|>b"]
    ids = [m.preprocessor.tokenizer(texts) for m in (loaded, model)]
    assert ids[0] == ids[1]


def test_a_checkpoint_without_a_tokenizer_works_on_ids(
    checkpoint, tmp_path, caplog
):
    model, folder = checkpoint
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "spiece.model").touch()
    loaded = GPT3.from_preset(tmp_path)
    assert loaded.preprocessor is None
    assert_equal_weights(loaded, model)
    assert caplog.messages == [
        f"{tmp_path} has no tokenizer.json and no vocab.json with a merges.txt"
        "; its spiece.model is not read: the model works on token ids, not on "
        "texts."
    ]
    for load in (
        GPT3Backbone.from_preset,
        functools.partial(GPT3.from_preset, preprocessor=None),
    ):
        load(tmp_path)
    assert len(caplog.messages) == 1


def test_overrides_and_new_weights_of_a_checkpoint(checkpoint):
    model, folder = checkpoint
    longer = {"max_sequence_length": 20, "dropout": 0.5}
    backbone = GPT3Backbone.from_preset(folder, load_weights=False, **longer)
    assert backbone.get_config().items() >= longer.items()
    refusal(
        "Overrides must not change the shape of stored weights. Received: "
        "max_sequence_length=20 where the preset has max_sequence_length=12. "
        "Pass load_weights=False to start from new weights.",
        folder,
        **longer,
    )


def test_a_handle_of_the_hub_is_downloaded_once(checkpoint, monkeypatch):
    model, folder = checkpoint
    asked = []

    def fetch(handle, weights):
        asked.append((handle, weights))
        return str(folder)

    monkeypatch.setattr(preset_resolution, "fetch_preset", fetch)
    handle = "hf://org/name@v1"
    loaded = GPT3.from_preset(handle)
    assert_equal_weights(loaded, model)
    assert loaded.preprocessor is not None
    assert asked == [(handle, True)]
    GPT3Backbone.from_preset(handle, load_weights=False)
    assert asked[1:] == [(handle, False)]


@pytest.mark.parametrize("with_tokenizer", [True, False])
def test_without_a_network_a_cache_that_others_filled_serves(
    checkpoint, tmp_path, monkeypatch, caplog, with_tokenizer
):
    model, folder = checkpoint
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    cached = files if with_tokenizer else ["config.json", "model.safetensors"]
    with running_hub(tmp_path, monkeypatch) as hub:
        hub.publish("org/name", files)
        fill_cache(cached)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loaded = GPT3.from_preset("hf://org/name")
    assert_equal_weights(loaded, model)
    assert (loaded.preprocessor is not None) == with_tokenizer
    messages = caplog.messages
    assert ("no preprocessor" in messages[0]) != with_tokenizer
    assert len(messages) == (1 if with_tokenizer else 2)


def test_a_folder_of_a_known_name_is_asked_for_by_its_path(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = small_model()
    model.save_to_preset("opt_125m_en")
    refusal(
        "preset must be either a known name or a folder. Received: "
        "preset='opt_125m_en', which is both. Pass './opt_125m_en' for the "
        "folder, or rename it.",
        "opt_125m_en",
    )
    assert_equal_weights(GPT3.from_preset("./opt_125m_en"), model)


def test_a_known_name_loads_the_checkpoint_of_its_repository(
    checkpoint, tmp_path, monkeypatch
):
    model, folder = checkpoint
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with running_hub(tmp_path, monkeypatch) as hub:
        hub.publish("cerebras/Cerebras-GPT-111M", files)
        for cls in (GPT3, GPT3Backbone):
            loaded = cls.from_preset("cerebras_gpt_111m_en")
            assert_equal_weights(loaded, model)
        tokenizer = GPT3Tokenizer.from_preset("cerebras_gpt_111m_en")
        refusal(
            "preset='opt_66b_en (hf://facebook/opt-66b@main)'. Check the name;",
            "opt_66b_en",
        )
    assert tokenizer.merges == model.preprocessor.tokenizer.merges


@pytest.mark.parametrize("preset", ["gpt3_small_en", "kaggle://a/b/c/d"])
def test_only_handles_of_hugging_face_are_downloaded(preset):
    assert preset_resolution.resolve_preset(preset) == preset


def test_a_preset_is_resolved_once_a_call(tmp_path, monkeypatch):
    small_text_model().save_to_preset(tmp_path)
    resolved = []
    monkeypatch.setattr(preset_resolution, "check_plain_files", resolved.append)
    assert GPT3.from_preset(tmp_path).preprocessor is not None
    assert resolved == [str(tmp_path)]


@pytest.mark.parametrize("preset", [PRESET, "hf://org/name"])
@pytest.mark.parametrize("load_weights", ["yes", 1, 0])
def test_load_weights_is_a_bool(preset, load_weights):
    message = (
        "load_weights must be None, True or False. Received: load_weights="
        f"{load_weights!r}. Leave"
    )
    refusal(message, preset, load_weights)
    with pytest.raises(ValueError, match=message):
        GPT3.from_preset(preset, load_weights)


def test_a_gpt_neox_is_refused_with_what_loads_it(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt_neox"}')
    refusal(
        "A checkpoint must have GPT-3's positions and blocks. Received: "
        "model_type='gpt_neox' (GPT-NeoX, Pythia), with rotary positions, "
        "parallel branches and an output head of its own. Load it with "
        "transformers' GPTNeoXForCausalLM.",
        tmp_path,
    )


def test_a_checkpoint_of_another_family_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    refusal(
        "model_type in config.json must be one of ['gpt2', 'gpt_neo', 'opt']. "
        "Received: model_type='llama'. ",
        tmp_path,
    )
