"""Comparing logits; transformers itself is played by a stand-in here."""

import contextlib
import importlib.util
import sys
import types

import numpy as np
import pytest

from keras_gpt3.models.transformers_check import LogitComparison
from keras_gpt3.models.transformers_check import check_installed
from keras_gpt3.models.transformers_check import compare_with_transformers
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model


class StandInModel:
    """A transformers model that gives another's logits, with an error."""

    def __init__(self, model, error):
        self.model, self.error = model, error

    def eval(self):
        return self

    def __call__(self, token_ids):
        logits = np.array(self.model(as_inputs(token_ids)))
        logits[0, 0, 0] += self.error
        tensor = types.SimpleNamespace(numpy=lambda: logits)
        return types.SimpleNamespace(logits=tensor)


@pytest.fixture
def model():
    return small_model()


@pytest.fixture
def stand_in(model, monkeypatch):
    """A function that lets transformers give the model's logits, shifted."""

    def install(error):
        loaded = []

        def load(folder, **arguments):
            loaded.append((folder, arguments["attn_implementation"]))
            return StandInModel(model, error)

        torch = types.SimpleNamespace(
            tensor=lambda ids, dtype: ids.astype(dtype),
            no_grad=contextlib.nullcontext,
            int64="int64",
            float32="float32",
        )
        loader = types.SimpleNamespace(from_pretrained=load)
        transformers = types.SimpleNamespace(AutoModelForCausalLM=loader)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "transformers", transformers)
        return loaded

    return install


def test_the_same_logits_agree(model, stand_in):
    loaded = stand_in(error=0.0)
    comparison = compare_with_transformers(model, "folder")
    assert loaded == [("folder", "eager")]
    assert comparison.agrees
    assert (comparison.largest_difference, comparison.same_choices) == (0, 1)


def test_one_logit_that_differs_shows(model, stand_in):
    stand_in(error=0.5)
    comparison = compare_with_transformers(model, "folder")
    assert not comparison.agrees
    assert comparison.largest_difference == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("difference", "logit", "agrees"),
    [(9e-6, 0.1, True), (2e-5, 0.1, False), (9e-4, 100.0, True)],
)
def test_what_agrees_is_rounding(difference, logit, agrees):
    comparison = LogitComparison(difference, logit, same_choices=0.75)
    assert comparison.agrees is agrees
    text = "Logits agree: " if agrees else "Logits DIFFER: "
    assert str(comparison).startswith(text)
    assert str(comparison).endswith(
        "likeliest token at 75.0% of the positions."
    )


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_package_that_is_not_installed_raises(missing, monkeypatch):
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == missing else name,
    )
    message = (
        "^torch and transformers must be installed to compare logits. "
        f"Received: no {missing}. Run `pip install torch transformers`.$"
    )
    with pytest.raises(ImportError, match=message):
        check_installed()
