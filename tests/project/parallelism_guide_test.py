"""The code of docs/parallelism.md runs, each block on its backend."""

import pathlib
import re
import shlex

import keras
import pytest
from typer.testing import CliRunner

import keras_gpt3
from keras_gpt3.cli.main import app
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


# === Two large runs ===

# A command that writes a config, and the config.
WRITTEN = re.findall(
    r"^```\nkeras-gpt3 (plan [^\n]* --write [^\n]*)\n```\n\n"
    r"```yaml\n(.*?)^```$",
    GUIDE.read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("command", "config"), WRITTEN)
def test_the_configs_are_what_the_commands_write(
    command, config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    assert CliRunner().invoke(app, words).exit_code == 0
    written = pathlib.Path(words[words.index("--write") + 1])
    assert written.read_text("utf-8") == config


def test_the_memory_is_what_the_planner_says():
    plans = [
        keras_gpt3.plan("gpt3_13b_en", "80GB", 64),
        keras_gpt3.plan("gpt3_175b_en", "80GB", 1024),
    ]
    lines = "".join(memory_lines(*(plan.memory for plan in plans)))
    assert f"|---|---|---|\n{lines}\n" in GUIDE.read_text("utf-8")
    assert len(WRITTEN) == len(plans)


def memory_lines(*memories):
    for part in memories[-1]:
        cells = [f"{memory.get(part, 0) / 1e9:.1f}" for memory in memories]
        label = {"total": "most at a time"}.get(part, part.replace("_", " "))
        yield f"| {' | '.join([label, *cells])} |\n"
