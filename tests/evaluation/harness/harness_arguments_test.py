import pytest

from keras_gpt3.evaluation.harness.harness_arguments import HarnessOptions
from keras_gpt3.evaluation.harness.harness_arguments import check_unused
from keras_gpt3.evaluation.harness.harness_arguments import read_batch_size
from keras_gpt3.evaluation.harness.harness_arguments import read_max_length
from keras_gpt3.evaluation.harness.harness_arguments import read_model
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model

# === Harness arguments ===


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


# === Harness options ===


GREEDY = (("temperature", 0.0),)


@pytest.mark.parametrize(
    ("gen_kwargs", "expected"),
    [
        ({}, ((), 256, GREEDY)),
        ({"until": "\n"}, (("\n",), 256, GREEDY)),
        ({"until": ["\n", "", "."]}, (("\n", "."), 256, GREEDY)),
        ({"until": None, "num_beams": 1}, ((), 256, GREEDY)),
        ({"max_tokens": 5, "max_gen_toks": 3}, ((), 3, GREEDY)),
        ({"max_completion_tokens": 7}, ((), 7, GREEDY)),
        # Temperature and filters are those of draws only.
        (
            {"do_sample": False, "temperature": 0.7, "top_p": 0.9},
            ((), 256, GREEDY),
        ),
        ({"temperature": 0.0, "min_p": 0.1}, ((), 256, GREEDY)),
        ({"temperature": 0.7}, ((), 256, (("temperature", 0.7),))),
        ({"do_sample": True, "top_k": 5}, ((), 256, (("top_k", 5),))),
        (
            {"repetition_penalty": 1.2},
            ((), 256, (("repetition_penalty", 1.2), *GREEDY)),
        ),
    ],
)
def test_options_are_read_as_the_harness_does(gen_kwargs, expected):
    assert HarnessOptions.read(gen_kwargs) == expected


def test_the_default_length_is_the_model_s():
    assert HarnessOptions.read({}, max_gen_toks=9).max_gen_toks == 9


def test_agrees_with_the_harness_own_reading():
    utils = pytest.importorskip("lm_eval.models.utils")
    for gen_kwargs in (
        {"until": "\n", "temperature": 0.5},
        {"until": ["a"], "max_new_tokens": 4, "do_sample": False},
        {"max_tokens": 8, "do_sample": True, "temperature": 1.0},
    ):
        theirs = utils.normalize_gen_kwargs(gen_kwargs)
        ours = HarnessOptions.read(gen_kwargs)
        assert ours.max_gen_toks == theirs["max_gen_toks"]
        assert list(ours.until) == theirs["until"]
        assert dict(ours.sampling)["temperature"] == theirs["temperature"]


@pytest.mark.parametrize(
    ("gen_kwargs", "message"),
    [
        ("\n", "Generation options must be a dict. Received: type=str. "),
        (
            {"num_beams": 10},
            "^Generation options must be among until, .*. Received: "
            "num_beams=10. Leave it out of the task's generation_kwargs.$",
        ),
        ({"max_length": 9, "typical_p": 1}, "max_length=9, typical_p=1. "),
        ({"max_gen_toks": 0}, "max_gen_toks must be an integer of at least 1"),
        ({"max_gen_toks": "9"}, "max_gen_toks must be an integer of at least"),
        ({"until": 5}, "until must be a string or a list .* until=5. Leave"),
        ({"until": [5]}, "until must be a string or a list of strings. "),
        ({"do_sample": "no"}, "do_sample must be true or false. Received: do"),
    ],
)
def test_what_is_not_known_raises(gen_kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        HarnessOptions.read(gen_kwargs)
    assert "\n" not in str(error.value)
