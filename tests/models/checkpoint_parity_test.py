"""Every kind of public checkpoint against what transformers computes of it."""

import functools
import pathlib

import numpy as np
import pytest

import keras_gpt3
from tests.converters.needs_torch import needs_torch

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "checkpoints"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
PROMPT_LENGTH = 8
# float32's rounding: transformers' own is up to 8e-7 from its float64.
TOLERANCE = 1e-5
# Of logits up to 2.4. bfloat16 rounds weights and results to 1/256 of them:
# measured 0.0153.
TOLERANCES = {"float32": TOLERANCE, "bfloat16": 0.03}

each_checkpoint = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=needs_torch if "pickle" in name else ())
        for name in NAMES
    ],
)


@functools.cache
def load(name, dtype="float32"):
    """A model from a folder, and what transformers computes of it."""
    model = keras_gpt3.GPT3.from_preset(
        str(FOLDER / name), preprocessor=None, dtype=dtype
    )
    return model, dict(np.load(FOLDER / name / "expected.npz"))


def forward(model, token_ids, padding_mask):
    inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    return np.asarray(model(inputs))


def largest_error(got, expected, where):
    return abs(got.astype("float64") - expected)[where].max()


def test_every_family_is_there():
    families = {"gpt2", "cerebras_gpt", "gpt_neo", "opt", "opt_350m"}
    assert families < set(NAMES)


@pytest.mark.parametrize("dtype", TOLERANCES)
@each_checkpoint
def test_logits_are_those_of_transformers(name, dtype):
    model, expected = load(name, dtype)
    token_ids = expected["token_ids"]
    everywhere = np.ones_like(token_ids, "bool")
    logits = forward(model, token_ids, everywhere)
    for of_transformers in ("logits_float32", "logits_float64"):
        exact = expected[of_transformers]
        assert largest_error(logits, exact, everywhere) < TOLERANCES[dtype]


@each_checkpoint
def test_logits_behind_padding_on_the_left_are_those_of_transformers(name):
    model, expected = load(name)
    is_token = expected["padding_mask"]
    assert not is_token[0, 0]
    logits = forward(model, expected["token_ids"], is_token)
    exact = expected["padded_logits"]
    assert largest_error(logits, exact, is_token) < TOLERANCE


@pytest.mark.slow
@each_checkpoint
def test_64_greedy_tokens_are_those_of_transformers(name):
    model, expected = load(name)
    greedy_ids = expected["greedy_ids"]
    assert greedy_ids.shape[1] == PROMPT_LENGTH + 64
    # One compilation of the whole loop is the quickest here.
    model.compile(sampler="greedy", jit_compile=True)
    prompt = greedy_ids[:, :PROMPT_LENGTH]
    answer = model.generate(
        {
            "token_ids": prompt,
            "padding_mask": np.ones_like(prompt, "bool"),
        },
        max_length=greedy_ids.shape[1],
        stop_token_ids=None,  # Theirs went on behind the end of text as well.
    )
    np.testing.assert_array_equal(answer["token_ids"], greedy_ids)


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("gpt2", {"activation": "gelu"}),
        ("cerebras_gpt", {"scale_by_inverse_layer_index": False}),
        ("gpt2_unscaled", {"attention_scale": None}),
        ("gpt2_unscaled", {"layer_norm_epsilon": 1e-5}),
        ("gpt_neo", {"attention_pattern": ("dense",)}),
        ("gpt_neo_uneven", {"attention_pattern": ("dense", "banded")}),
        ("opt_350m", {"norm_first": True}),
    ],
)
def test_each_switch_shows_in_the_logits(name, switch):
    """A checkpoint that did not notice a switch would test nothing."""
    _, expected = load(name)
    other = keras_gpt3.GPT3.from_preset(
        str(FOLDER / name), preprocessor=None, **switch
    )
    token_ids = expected["token_ids"]
    everywhere = np.ones_like(token_ids, "bool")
    logits = forward(other, token_ids, everywhere)
    exact = expected["logits_float64"]
    assert largest_error(logits, exact, everywhere) > 10 * TOLERANCE
