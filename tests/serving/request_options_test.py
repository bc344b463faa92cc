import re

import numpy as np
import pytest

from keras_gpt3.generation import SeededSampler
from keras_gpt3.serving.batching import join_arrays
from keras_gpt3.serving.predict_request import request_arrays
from keras_gpt3.serving.request_limits import longest_row
from keras_gpt3.serving.request_limits import prompt_rows
from keras_gpt3.serving.server_settings import ServerSettings


@pytest.fixture(scope="module")
def check(model):
    """What an array of `generate` holds for an input of a row."""

    def check(name, value, **settings):
        columns = {"prompts": ["a"], name: [value]}
        signature = model.signatures["generate"]
        settings = ServerSettings(**settings)
        arrays, _ = request_arrays(signature, columns, settings, True)
        (checked,) = arrays[name].tolist()
        return checked

    return check


@pytest.mark.parametrize(
    "name, value, checked",
    [
        ("max_new_tokens", 7, 7),
        ("temperature", 0, 0.0),
        ("top_p", 0.5, 0.5),
        ("top_k", 10**20, 2**31 - 1),
        ("seed", -1, -1),
        ("stop", "é", ["é".encode()]),
        ("stop", ["a", {"b64": "w6k="}], [b"a", "é".encode()]),
        ("stop", [], []),
        ("stop", None, []),
        ("truncate", "left", b"left"),
        ("truncate", "", b""),
        ("prompts", "é", "é".encode()),
        ("prompts", {"b64": "w6k="}, "é".encode()),
    ],
)
def test_a_value_becomes_what_an_array_holds(check, name, value, checked):
    assert check(name, value) == checked


@pytest.mark.parametrize(
    "name, value, message",
    [
        (
            "max_new_tokens",
            0,
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=0. Pass 1 or more.",
        ),
        (
            "max_new_tokens",
            True,
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=True. Pass 1 or more.",
        ),
        (
            "top_k",
            "3",
            "top_k must be an integer of at least 0. Received: top_k='3'. Pass "
            "0 or more.",
        ),
        (
            "stop",
            3,
            "stop must be a string or a list of strings, none of them empty. "
            "Received: stop=3. Leave it out to stop at the end of text only.",
        ),
        (
            "stop",
            [{"b64": "/w=="}],
            "stop must be a string or a list of strings, none of them empty. "
            r"Received: stop=b'\xff'. Leave it out to stop at the end of text "
            "only.",
        ),
        ("stop", ["\ud800"], "Texts must be valid U"),
        ("prompts", "\ud800", "Texts must be valid U"),
        (
            "truncate",
            "right",
            "truncate must be left, or left out. Received: truncate=right. Use "
            "left to drop the first tokens of a long prompt.",
        ),
        ("truncate", 1, "truncate must be left, or left out. Received: "),
        ("truncate", [], "truncate must be left, or left out. Received: "),
        ("prompts", 3, "prompts must be strings. Received: prompts=3."),
        (
            "seed",
            2**31,
            "seed must be below 2147483648. Received: seed=2147483648.",
        ),
        (
            "temperature",
            1e39,
            "temperature must be a finite number of at least",
        ),
        (
            "temperature",
            10**400,
            "temperature must be a finite number of at le",
        ),
        (
            "top_p",
            -1e39,
            "top_p must be a finite number above 0 and at most 1.",
        ),
    ],
)
def test_a_wrong_value_is_one_sentence(check, name, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check(name, value)


@pytest.mark.parametrize(
    "name, value",
    [
        ("temperature", -1),
        ("temperature", "hot"),
        ("temperature", float("nan")),
        ("temperature", True),
        ("top_p", 0),
        ("top_p", 1.5),
        ("seed", 2**31),
        ("seed", 0.5),
        ("seed", -2),
    ],
)
def test_the_words_are_those_of_python(check, name, value):
    with pytest.raises(ValueError) as here:
        check(name, value)
    with pytest.raises(ValueError) as in_python:
        SeededSampler(**{name: value})
    assert str(here.value) == str(in_python.value)


def test_the_servers_limit_says_how_to_raise_it(check):
    assert check("max_new_tokens", 5, max_new_tokens=5) == 5
    message = (
        "max_new_tokens must be at most 5 on this server. Received: "
        "max_new_tokens=6. Request fewer, or start it with a higher "
        "--max-new-tokens."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check("max_new_tokens", 6, max_new_tokens=5)


@pytest.mark.parametrize(
    "prompt, options, longest",
    [
        ("the cat", {"max_new_tokens": 5}, 10),
        ("z?" * 50, {"max_new_tokens": 5, "truncate": "left"}, 40),
        ("z", {"max_new_tokens": 39}, 40),
    ],
)
def test_tokens_are_counted(model, arrays_of, prompt, options, longest):
    rows = [arrays_of("a", max_new_tokens=1), arrays_of(prompt, **options)]
    _, ids = prompt_rows(model, join_arrays(rows))
    assert len(ids) + options["max_new_tokens"] == longest


def test_both_texts_of_a_score_are_counted(model):
    texts = {"contexts": "the cat", "continuations": " a"}
    arrays = {k: np.array([v.encode()], object) for k, v in texts.items()}
    assert longest_row(model, arrays) == 7


@pytest.mark.parametrize(
    "prompt, options",
    [
        ("", {"max_new_tokens": 5}),
        ("z?" * 18, {"max_new_tokens": 5}),
        ("z", {"max_new_tokens": 40}),
        ("z" * 50, {"max_new_tokens": 40, "truncate": "left"}),
        ("z", {"max_new_tokens": 2**31 - 1}),
        ({"b64": "YWL/"}, {"max_new_tokens": 5}),
    ],
)
def test_the_words_are_those_of_the_graph(model, arrays_of, prompt, options):
    arrays = arrays_of(prompt, **options)
    with pytest.raises(ValueError) as here:
        prompt_rows(model, arrays)
    with pytest.raises(ValueError) as in_graph:
        model.call("generate", arrays)
    assert str(here.value) == str(in_graph.value)
