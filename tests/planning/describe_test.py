import json
import re
import types

import pytest
from rich.text import Text

from keras_gpt3.planning import ModelDescription
from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_memory
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning import plan
from keras_gpt3.planning.describe import PrintedTables
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets

# === Describe ===


# Counted by hand from the resolved sizes, in millions.
EXACT_MILLIONS = dict(
    zip(
        shipped_presets(),
        (125.2, 355.9, 760.3, 1315.7, 2651.6, 6658.4, 12853.4, 174604.3),
        strict=True,
    )
)


def small_config():
    config = load_shipped_preset("gpt3_small_en")["backbone"]
    return config | {"num_layers": 2, "num_heads": 2, "hidden_dim": 8}


def write_preset(folder, registered_name="keras_gpt3>GPT3Backbone"):
    content = {
        "class_name": "GPT3Backbone",
        "config": small_config()
        | {"name": "x", "trainable": True, "dtype": {}},
        "registered_name": registered_name,
    }
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("name", shipped_presets())
def test_parameters_are_within_half_a_percent_of_table_d1(name):
    printed = load_shipped_preset(name)["table_d1"]["parameters_millions"]
    counted = describe(name).num_parameters / 1e6
    assert counted == pytest.approx(printed, rel=0.005)
    assert round(counted, 1) == EXACT_MILLIONS[name]


def test_a_checkpoint_is_described_without_its_weights():
    description = describe("gpt_neo_1.3b_en")
    assert description.num_parameters == 1_315_575_808
    assert description.config["attention_pattern"] == ["dense", "banded"]
    assert description.config["attention_scale"] == 1.0
    assert description.printed is description.recipe is None
    assert "hf://EleutherAI/gpt-neo-1.3B" in str(description)


@pytest.mark.parametrize("name", shipped_presets())
def test_training_compute_is_within_one_percent_of_table_d1(name):
    description = describe(name)
    tokens = description.recipe["total_tokens"]
    flops = 6 * description.num_parameters * tokens
    # Table D.1 rounds to three digits.
    assert flops == pytest.approx(description.table_d1["flops"], rel=0.01)


def test_a_shipped_preset_brings_recipe_and_tables():
    preset = load_shipped_preset("gpt3_13b_en")
    description = describe("gpt3_13b_en")
    assert description.name == "gpt3_13b_en"
    assert description.config == preset["backbone"]
    assert description.recipe == preset["recipe"]
    assert description.printed == preset["printed"]
    assert description.table_d1 == preset["table_d1"]
    assert description.resolution == preset["resolution"]


@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_a_saved_folder_is_described_by_its_config(tmp_path, as_type):
    write_preset(tmp_path)
    description = describe(as_type(tmp_path))
    assert description.name == str(tmp_path)
    assert description.config == small_config()
    assert description.recipe is None


def test_a_checkpoint_is_described_by_its_config(tmp_path):
    config = {"model_type": "gpt_neo", "vocab_size": 50, "hidden_size": 16}
    config |= {"num_layers": 2, "num_heads": 2, "max_position_embeddings": 32}
    config |= {"attention_types": [[["global", "local"], 1]], "window_size": 8}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    description = describe(tmp_path)
    # As transformers counts: embeddings, two blocks and the last norm.
    block = 4 * 16 * 16 + 16 + (16 * 64 + 64) + (64 * 16 + 16) + 4 * 16
    expected = (50 + 32) * 16 + 2 * block + 2 * 16
    assert description.num_parameters == expected
    assert "query_key_value_bias" in str(description)
    assert "norm_first" not in str(description)


def test_a_config_and_a_model_of_it_are_described_alike():
    config = small_config()
    backbone = types.SimpleNamespace(
        name="mine", get_config=lambda: config | {"name": "mine"}
    )
    model = types.SimpleNamespace(
        name="task", backbone=backbone, get_config=lambda: {"backbone": {}}
    )
    expected = describe(config)
    assert expected.name == "GPT3Backbone"
    for preset, name in ((backbone, "mine"), (model, "task")):
        assert describe(preset).parameters == expected.parameters
        assert describe(preset).name == name


def test_a_real_backbone_has_as_many_parameters_as_described():
    from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone

    sizes = {"vocabulary_size": 50, "max_sequence_length": 16}
    backbone = GPT3Backbone(**small_config() | sizes)
    assert describe(backbone).num_parameters == backbone.count_params()


def test_an_unknown_name_raises_with_the_known():
    with pytest.raises(ValueError, match=r"Use gpt3_13b_en, the closest of "):
        describe("gpt3_13_en")


@pytest.mark.parametrize("preset", [None, 0])
def test_what_is_no_preset_raises(preset):
    message = f"preset must be a known name, .* preset={preset}"
    with pytest.raises(ValueError, match=message):
        describe(preset)


def test_a_preset_elsewhere_raises():
    message = (
        "preset must be on this machine to be described. "
        "Received: preset='hf://org/name'. "
        "Load it with GPT3.from_preset and describe the model."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        describe("hf://org/name")


def test_an_unknown_key_raises():
    message = (
        "config must hold arguments of GPT3Backbone only. "
        "Received: unknown=['num_layer']. Use vocabulary_size, "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        describe(small_config() | {"num_layer": 3})


@pytest.mark.parametrize("content", ["{", "5", "[" * 9999])
def test_a_config_that_is_no_object_raises(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"^config\.json must .*Received: "):
        describe(tmp_path)


@pytest.mark.parametrize("content", [None, "{}", "other"])
def test_a_folder_without_our_backbone_raises(tmp_path, content):
    if content == "other":
        write_preset(tmp_path, "keras_hub>GPT2Backbone")
    elif content is not None:
        (tmp_path / "config.json").write_text(content)
    found = "'keras_hub>GPT2Backbone'" if content == "other" else "None"
    message = (
        "preset must be a folder whose config.json is of a "
        f"keras_gpt3>GPT3Backbone. Received: preset={str(tmp_path)!r}, "
        f"registered_name={found}. Write one with model.save_to_preset(folder)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        describe(tmp_path)


# === Description tables ===


def rows(text):
    """The words of each line, by its first word."""
    return {line.split()[0]: line.split() for line in text.splitlines() if line}


@pytest.mark.parametrize("name", shipped_presets())
def test_tables_fit_80_columns_and_cut_nothing(name):
    text = str(describe(name))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_printed_and_resolved_stand_side_by_side_with_the_reason():
    text = str(describe("gpt3_13b_en"))
    table = rows(text)
    assert table["n_params"] == ["n_params", "13.0B", "12,853.4M"]
    assert table["d_model"] == ["d_model", "5140", "5120"]
    assert table["d_head"] == ["d_head", "128", "128"]
    assert table["batch_size"] == ["batch_size", "2M", "1024", "x", "2048"]
    assert table["learning_rate"] == ["learning_rate", "1.0e-4", "1.0e-4"]
    assert "Why: 40 heads of 128 make 5120, not" in text


def test_a_consistent_print_needs_no_reason():
    text = str(describe("gpt3_175b_en"))
    assert "Why:" not in text
    assert "0.6e-4           0.6e-4" in text


def test_parameters_are_shown_by_part_with_shares():
    table = rows(str(describe("gpt3_small_en")))
    assert table["feed_forward"] == ["feed_forward", "56,669,184", "45.3%"]
    assert table["total"] == ["total", "125,226,240"]


def test_memory_is_shown_by_dtype_and_optimizer_with_the_cache():
    table = rows(str(describe("gpt3_175b_en")))
    assert (
        table["mixed_bfloat16"][1:] == "698.4 GB 1.4 TB 2.8 TB 5.4 GB".split()
    )
    assert table["bfloat16"][1:] == "349.2 GB 698.4 GB 1.4 TB 5.4 GB".split()


def test_compute_stands_beside_table_d1():
    table = rows(str(describe("gpt3_175b_en")))
    assert table["petaflop/s-days"][1:] == ["3,640", "3,637.59"]
    assert table["FLOPs"][1:] == ["3.14e+23", "3.14e+23"]


def test_a_bare_config_shows_no_paper():
    config = load_shipped_preset("gpt3_small_en")["backbone"]
    text = str(describe(config))
    assert text.startswith("GPT3Backbone\n")
    assert "Table" not in text
    assert "dense, banded" in text


def test_memory_to_train_is_shown_by_rematerialization_with_what_it_saves():
    description = describe("gpt3_small_en")
    text = str(description)
    assert "Memory to train with AdamW, batch 1 x 2048" in text

    def total(policy):
        return description.training_memory("float32", rematerialization=policy)[
            "total"
        ]

    table = text[text.index("Memory to train with") :]
    by_word = rows(table)
    none, block = total("none"), total("block")
    assert by_word["none"][1:3] == format_bytes(none).split()
    assert by_word["none"][3:5] == ["0", "B"]
    assert by_word["block"][1:3] == format_bytes(block).split()
    assert by_word["block"][3:5] == format_bytes(none - block).split()
    assert format_bytes(total(2)) in table


# === Model description ===


PARTS = {"token_embedding": 30, "attention": 70}


def test_number_of_parameters_is_the_sum_of_the_parts():
    assert ModelDescription("x", {}, PARTS).num_parameters == 100


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", None])
def test_memory_is_that_of_all_parameters(optimizer):
    description = ModelDescription("x", {}, PARTS)
    expected = estimate_memory(100, "bfloat16", optimizer)
    assert description.memory("bfloat16", optimizer) == expected


def test_memory_defaults_to_training_in_float32():
    assert ModelDescription("x", {}, PARTS).memory()["total"] == 1600


def test_str_and_repr_show_the_tables_without_trailing_spaces():
    description = describe("gpt3_175b_en")
    text = str(description)
    assert repr(description) == text
    assert "174,604,259,328" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_training_memory_is_that_of_the_config_with_the_same_options():
    description = describe("gpt3_small_en")
    options = {"batch_size": 4, "micro_batch_size": 2, "rematerialization": 3}
    assert description.training_memory(
        "mixed_bfloat16", "sgd", length=512, **options
    ) == estimate_training_memory(
        description.config,
        dtype="mixed_bfloat16",
        optimizer="sgd",
        length=512,
        **options,
    )


# === Printed tables ===


class Shown(PrintedTables):
    def __rich__(self):
        return Text("word " * 40)


def test_print_and_prompt_show_lines_of_at_most_80_columns():
    lines = str(Shown()).splitlines()
    assert repr(Shown()) == str(Shown())
    assert len(lines) == 3
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)


def test_a_checkpoint_is_planned_for_without_its_weights():
    planned = plan("gpt2_base_en", memory="80GB", batch_tokens=2**16)
    assert planned.fits
    assert planned.length == 1024
    assert '"gpt2_base_en"' in planned.code
