import pytest

from keras_gpt3.evaluation.harness.harness_arguments import HarnessOptions

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
        ({"num_beams": 10}, "among until, .* Received: num_beams=10. Leave"),
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
