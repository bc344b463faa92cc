import pytest

from keras_gpt3.evaluation.harness.harness_arguments import check_unused
from keras_gpt3.evaluation.harness.harness_arguments import read_batch_size
from keras_gpt3.evaluation.harness.harness_arguments import read_max_length
from keras_gpt3.evaluation.harness.harness_arguments import read_model
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model


def test_what_the_harness_always_passes_is_taken():
    check_unused({"device": "cuda:0", "max_batch_size": 4})


def test_an_unknown_argument_names_the_known():
    with pytest.raises(
        ValueError, match="model_args must be among preset, .* pretrained. Name"
    ):
        check_unused({"pretrained": "gpt2"})


@pytest.mark.parametrize(
    ("given", "expected"), [(3, 3), ("16", 16), ("auto", 8), ("auto:4", 8)]
)
def test_a_batch_size_is_read(given, expected):
    assert read_batch_size(given) == expected


@pytest.mark.parametrize("given", [0, "0", "many", 2.5, None, "-1"])
def test_a_wrong_batch_size_raises(given):
    with pytest.raises(ValueError, match="batch_size must be an integer of "):
        read_batch_size(given)


def test_a_preset_is_loaded_with_its_dtype(tmp_path):
    talking_model().save_to_preset(tmp_path)
    model = read_model(tmp_path, None, "bfloat16")
    assert model.backbone.dtype_policy.name == "bfloat16"
    assert model.preprocessor is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, None), "Exactly one of preset and model must be given. "),
        (("a", "b", None), "Received: preset='a', model of type str. Name a "),
        (("unheard-of", None, None), "unheard-of"),
        ((None, talking_model, "bfloat16"), "dtype must be left out with a mo"),
        ((None, small_model, None), "A model must have a preprocessor to be "),
    ],
)
def test_a_wrong_model_raises(arguments, message):
    preset, model, dtype = arguments
    model = model() if callable(model) else model
    with pytest.raises(ValueError, match=message):
        read_model(preset, model, dtype)


def test_the_length_is_the_model_s_or_less():
    model = talking_model()
    assert read_max_length(None, model) == 40
    assert read_max_length(12, model) == 12
    for wrong in (1, 41, "12"):
        with pytest.raises(ValueError, match="^max_length must be "):
            read_max_length(wrong, model)
