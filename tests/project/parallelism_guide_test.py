"""The code of docs/parallelism.md runs, each block on its backend."""

import pathlib
import re

import keras
import pytest

import keras_gpt3
from tests.small_gpt3 import small_backbone

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "parallelism.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$",
    GUIDE.read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


def backend_of(block):
    found = re.search(r'"KERAS_BACKEND"\] = "(\w+)"', block)
    return found[1] if found else "tensorflow"


def small_model(preset):
    assert preset in keras_gpt3.GPT3.presets
    return keras_gpt3.GPT3(small_backbone(num_heads=4, num_layers=2))


def test_both_backends_have_a_block():
    assert {backend_of(block) for block in BLOCKS} == {"jax", "tensorflow"}
    lines = (line for block in BLOCKS for line in block.splitlines())
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs_as_printed(block, monkeypatch):
    if backend_of(block) != keras.config.backend():
        pytest.skip(f"of the {backend_of(block)} backend")
    # The block sets it: it is to be as it was after.
    monkeypatch.setenv("KERAS_BACKEND", keras.config.backend())
    # A preset takes half a minute on virtual devices.
    monkeypatch.setattr(keras_gpt3.GPT3, "from_preset", small_model)
    try:
        exec(compile(block, "guide", "exec"), {"__name__": "guide"})
    finally:
        keras.distribution.set_distribution(None)
