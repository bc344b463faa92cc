"""Comparing logits; transformers itself is played by a stand-in here."""

import contextlib
import importlib.util
import sys
import types

import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.models.presets.checkpoint_export import LogitComparison
from keras_gpt3.models.presets.checkpoint_export import check_installed
from keras_gpt3.models.presets.checkpoint_export import (
    compare_with_transformers,
)
from tests.converters.needs_torch import needs_torch
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model


class StandInModel:
    """A transformers model that gives another's logits, with an error."""

    def __init__(self, model, error):
        self.model, self.error = model, error

    def to(self, dtype):
        assert dtype == "float32"
        return self

    def float(self):
        return self

    def eval(self):
        return self

    def __call__(self, token_ids):
        logits = np.array(self.model(as_inputs(token_ids)))
        logits[0, 0, 0] += self.error
        tensor = types.SimpleNamespace(numpy=lambda: logits)
        return types.SimpleNamespace(logits=tensor)


class ProgressBars:
    """The part of transformers' logging that shows or hides its bars."""

    def __init__(self):
        self.shown = True

    def is_progress_bar_enabled(self):
        return self.shown

    def disable_progress_bar(self):
        self.shown = False

    def enable_progress_bar(self):
        self.shown = True


@pytest.fixture
def model():
    return small_model()


@pytest.fixture
def stand_in(model, monkeypatch):
    """A function that lets transformers give the model's logits, shifted."""

    def install(error):
        loaded, bars = [], ProgressBars()

        def load(folder, **arguments):
            loaded.append((folder, arguments["attn_implementation"]))
            assert not bars.shown
            return StandInModel(model, error)

        torch = types.SimpleNamespace(
            tensor=lambda ids, dtype: ids.astype(dtype),
            no_grad=contextlib.nullcontext,
            int64="int64",
            float32="float32",
        )
        loader = types.SimpleNamespace(from_pretrained=load)
        transformers = types.SimpleNamespace(
            AutoModelForCausalLM=loader,
            utils=types.SimpleNamespace(logging=bars),
        )
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "transformers", transformers)
        return loaded, bars

    return install


def test_the_same_logits_agree(model, stand_in):
    loaded, bars = stand_in(error=0.0)
    comparison = compare_with_transformers(model, "folder")
    assert loaded == [("folder", "eager")]
    assert bars.shown
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


@needs_torch
@pytest.mark.filterwarnings("ignore")  # torch and transformers warn.
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_weights_are_compared_with_rounded_ones(dtype, tmp_path):
    pytest.importorskip("transformers")
    model = small_model(attention_pattern=("dense",))
    model.export_to_transformers(tmp_path / "checkpoint")
    rounded = GPT3.from_preset(tmp_path / "checkpoint", dtype=dtype)
    rounded.save_to_preset(tmp_path / "preset")
    rounded = GPT3.from_preset(tmp_path / "preset", dtype="float32")
    folder = tmp_path / "checkpoint"
    assert compare_with_transformers(rounded, folder, dtype).agrees
    assert not compare_with_transformers(rounded, folder).agrees


@needs_torch
@pytest.mark.filterwarnings("ignore")  # torch and transformers warn.
def test_the_real_transformers_says_nothing(tmp_path, capfd):
    pytest.importorskip("transformers")
    model = small_model(attention_pattern=("dense",))
    model.export_to_transformers(tmp_path)
    assert compare_with_transformers(model, tmp_path).agrees
    written = "".join(capfd.readouterr())
    assert "deprecated" not in written
    assert "Loading weights" not in written
