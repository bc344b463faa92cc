import pytest

from keras_gpt3.planning import describe
from keras_gpt3.planning import format_bytes
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets


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
