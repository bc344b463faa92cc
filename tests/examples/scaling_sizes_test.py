"""What the sweep of sizes says holds; nothing is trained here."""

import pytest

from keras_gpt3.config_model import make_config
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.training import PretrainingConfig
from keras_gpt3.training.recipe.run_recipe import run_recipe
from tests.examples.example_scripts import example_scripts


@pytest.fixture
def scripts():
    with example_scripts("scaling") as found:
        yield found.sizes, found.train_sizes


@pytest.mark.parametrize("name", ["cpu", "quick", "gpu"])
def test_every_run_s_config_and_recipe_are_valid(name, scripts, tmp_path):
    sizes, train_sizes = scripts
    sweep = sizes.SWEEPS[name]
    shards = {"novels": tmp_path / "novels"}
    for size in sweep.sizes:
        values = train_sizes.run_config(sweep, size, 0, shards, tmp_path)
        config = make_config(PretrainingConfig, values)
        length = config.data.sequence_length
        recipe = run_recipe(config.recipe, config.model.preset, length)
        assert recipe.num_steps > 100
        assert config.validation.every_steps < recipe.num_steps / 5


def test_sizes_span_the_decades_and_small_ones_have_seeds(scripts):
    sweep = scripts[0].SWEEPS["cpu"]
    counts = [sweep.parameters(size) for size in sweep.sizes]
    assert len(counts) >= 6 and counts == sorted(counts)
    assert 1e4 < counts[0] < 2e4 and 9e6 < counts[-1] < 1.1e7
    assert all(size.seeds >= 2 for size in sweep.sizes[:3])


def test_lengths_are_those_of_kaplan_s_rule(scripts):
    sweep = scripts[0].SWEEPS["cpu"]
    tokens = {sweep.parameters(s): sweep.tokens(s) for s in sweep.sizes}
    (small, few), *_, (large, most) = sorted(tokens.items())
    assert most == 6e6
    # Compute is 6 N D: with N as C^0.73, D is as C^0.27.
    compute = (large * most) / (small * few)
    assert large / small == pytest.approx(compute**0.73)
    assert most / few == pytest.approx(compute**0.27)


def test_rates_continue_table_2_1(scripts):
    sweep = scripts[0].SWEEPS["gpu"]
    for size in sweep.sizes:
        printed = load_shipped_preset(size.preset)["recipe"]["learning_rate"]
        assert sweep.learning_rate(size) == pytest.approx(printed, rel=0.3)


@pytest.mark.slow
def test_a_command_that_fails_ends_the_sweep_with_its_code(scripts, capfd):
    with pytest.raises(SystemExit) as error:
        scripts[1].keras_gpt3_command("scaling")
    assert error.value.code == 2
    assert "RUNS" in capfd.readouterr().err


def test_corpora_are_tokenized_once(scripts, tmp_path):
    sizes, train_sizes = scripts
    corpora = []
    for name in ("first", "second"):
        corpora.append(tmp_path / f"{name}.jsonl")
        lines = [f'{{"text": "{name} {number}"}}\n' for number in range(200)]
        corpora[-1].write_text("".join(lines))
    folders = train_sizes.prepare(sizes.SWEEPS["quick"], corpora, tmp_path)
    assert list(folders) == ["first", "second"]
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in found}
    train_sizes.prepare(sizes.SWEEPS["quick"], corpora, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in found} == before
