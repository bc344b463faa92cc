import json
import re

import pytest

from keras_gpt3.serving.completion_request import CompletionRequest
from keras_gpt3.serving.completion_request import parse_completion
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.server_settings import ServerSettings

DEFAULTS = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": -1,
    "stop": (),
    "logit_bias": (),
}


def parse(settings=None, **body):
    body = json.dumps(body).encode()
    return parse_completion(body, settings or ServerSettings())


def test_what_is_left_out_is_openais_default():
    assert parse(prompt="a") == CompletionRequest(
        prompts=["a"],
        n=1,
        max_tokens=16,
        echo=False,
        num_top=-1,
        stream=False,
        include_usage=False,
        options=DEFAULTS,
    )
    assert parse(ServerSettings(max_new_tokens=9), prompt="a").max_tokens == 9


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ("", [""]),
    ],
)
def test_a_prompt_is_a_text_ids_or_a_list(prompt, prompts):
    request = parse(prompt=prompt, n=3, best_of=3)
    assert request.prompts == prompts
    assert request.num_rows == 3 * len(prompts)


def test_choices_of_a_prompt_have_seeds_of_their_own():
    request = parse(prompt="a", n=3, seed=2**31 - 2)
    seeds = [request.row_options(i)["seed"] for i in range(3)]
    assert seeds == [2**31 - 2, 2**31 - 1, 0]
    assert parse(prompt="a", n=2).row_options(1)["seed"] == -1


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"prompt": []}, "prompt", "prompt must be a text, a list of texts, "),
        ({"prompt": ["a", 1]}, "prompt", "prompt must be a text, a list of "),
        ({"prompt": [True]}, "prompt", "prompt must be a text, a list of "),
        ({"prompt": [[1], []]}, "prompt", "prompt must be a text, a list of "),
        ({"prompt": "\ud800"}, "prompt", "Texts must be valid U"),
        ({"model": 3}, "model", "The model must be gpt3. Received: model=3."),
        (
            {"max_tokens": 1.5},
            "max_tokens",
            "max_tokens must be an integer of ",
        ),
        ({"max_tokens": 0}, "max_tokens", "max_tokens must be at least 1 with"),
        ({"max_tokens": 51}, "max_tokens", "max_tokens must be at most 50 on "),
        ({"n": 0}, "n", "n must be an integer of at least 1. Received: n=0."),
        ({"n": 129}, "n", "n must be at most 128. Received: n=129."),
        ({"best_of": 2}, "best_of", "best_of must equal n: all answers are "),
        ({"logprobs": 6}, "logprobs", "logprobs must be at most 5."),
        ({"logprobs": True}, "logprobs", "logprobs must be an integer of at "),
        ({"echo": 1}, "echo", "echo must be true or false. Received: echo=1."),
        ({"user": 1}, "user", "user must be a string. Received: user=1."),
        (
            {"suffix": "b"},
            "suffix",
            "suffix must be null: the model continues ",
        ),
        ({"temperature": -1}, "temperature", "temperature must be a finite "),
        ({"top_p": 0}, "top_p", "top_p must be a finite number above 0 and "),
        ({"presence_penalty": 3}, "presence_penalty", "presence_penalty must "),
        ({"seed": 2**31}, "seed", "seed must be below 2147483648."),
        ({"stop": ["a", ""]}, "stop", "stop must be a string or a list of "),
        ({"stop": ["a"] * 17}, "stop", "stop must have at most 16 strings on "),
        ({"logit_bias": [1]}, "logit_bias", "logit_bias must be an object of "),
        (
            {"logit_bias": {str(i): 1 for i in range(1025)}},
            "logit_bias",
            "logit_bias must have at most 1024 entries. Received: "
            "entries=1025. Leave some out.",
        ),
        (
            {"logit_bias": {"a": 1}},
            "logit_bias",
            "The ids of logit_bias must be integers of at least 0. Received: "
            "id='a'.",
        ),
        (
            {"logit_bias": {"1": 101}},
            "logit_bias",
            "The biases of logit_bias must be from -100 to 100. Received: "
            "bias=101.",
        ),
        (
            {"logit_bias": {"1": float("nan")}},
            "logit_bias",
            "The biases of logit_bias must be from -100 to 100. Received: "
            "bias=nan.",
        ),
        (
            {"logit_bias": {"9" * 5000: 1}},
            "logit_bias",
            "The ids of logit_bias must be integers of at least 0. Received: "
            "id='999",
        ),
        (
            {"stream_options": {"include_usage": True}},
            "stream_options",
            "stream_options must come with stream. Received: stream=False.",
        ),
        (
            {"stream": True, "stream_options": {"include": True}},
            "stream_options",
            "stream_options must be an object with include_usage, true or ",
        ),
        (
            {"tools": [{}]},
            "tools",
            "A base model has no tools: it continues text. Received: tools=[",
        ),
    ],
)
def test_a_bad_option_is_named_in_one_sentence(options, param, message):
    with pytest.raises(RequestError, match=f"^{re.escape(message)}") as caught:
        parse(ServerSettings(max_new_tokens=50), **{"prompt": "a"} | options)
    assert caught.value.param == param
    assert caught.value.status == (404 if param == "model" else 400)
    assert "\n" not in str(caught.value)


def test_as_many_biases_as_are_allowed_are_taken():
    request = parse(prompt="a", logit_bias={str(i): 1 for i in range(1024)})
    assert len(request.options["logit_bias"]) == 1024


@pytest.mark.parametrize("name", ["heat", "truncate_prompt_tokens"])
def test_an_unknown_option_is_refused(name):
    with pytest.raises(
        ValueError, match=f"Received: {name}. Check the spell"
    ) as caught:
        parse(prompt="a", **{name: 1})
    # Nor is what a base model cannot do among those to choose from.
    assert "tools" not in str(caught.value)
