import pytest

from keras_gpt3.planning import ModelDescription
from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_memory
from keras_gpt3.planning import estimate_training_memory

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
