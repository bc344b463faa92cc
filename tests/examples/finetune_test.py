"""What the fine-tuning example says holds; it runs tiny, in seconds."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.ops import op_compilation

PATH = pathlib.Path(__file__).parents[2] / "examples" / "finetune_addition.py"
NUM_HELD_OUT = 8


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("finetune_addition", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A model with the quickstart's tokenizer that knows nothing."""
    path = tmp_path_factory.mktemp("model") / "tiny"
    model = GPT3.from_preset(
        "gpt3_small_en",
        num_layers=1,
        num_heads=1,
        hidden_dim=8,
        intermediate_dim=8,
        max_sequence_length=32,
    )
    model.save_to_preset(path)
    return path


@pytest.fixture
def few_problems(example, monkeypatch):
    training, held_out = example.problems(np.random.default_rng(1))
    few = training[:64], held_out[:NUM_HELD_OUT]
    monkeypatch.setattr(example, "problems", lambda generator: few)
    return few


def numbers(prompt):
    """The two numbers of a prompt."""
    match = re.search(r"What is (\d) (\d) plus (\d) (\d)\?", prompt)
    a, b, c, d = map(int, match.groups())
    return 10 * a + b, 10 * c + d


def test_no_held_out_problem_is_trained_on_either_way_round(example):
    parts = example.problems(np.random.default_rng(1))
    training, held_out = ([numbers(p) for p, _ in part] for part in parts)
    everything = {(a, b) for a in range(100) for b in range(100)}
    assert {*training, *held_out} == everything
    assert len(training) + len(held_out) == len(everything)
    assert 900 < len(held_out) < 1100
    assert not {*map(frozenset, training)} & {*map(frozenset, held_out)}


def test_every_problem_is_answered_rightly_digit_by_digit(example):
    for part in example.problems(np.random.default_rng(1)):
        for prompt, completion in part:
            assert completion == " " + " ".join(f"{sum(numbers(prompt)):03}")


def test_a_problem_is_worded_as_the_paper_s(example):
    expected = "Q: What is 9 8 plus 0 5?\n\nA:", " 1 0 3"
    assert example.problem(98, 5) == expected


def test_every_problem_fills_its_context(example, preset, few_problems):
    tokenizer = GPT3.from_preset(preset).preprocessor.tokenizer
    for prompt, completion in [*few_problems[0], *few_problems[1]]:
        # With the end of the text, which is only predicted.
        length = len(tokenizer(prompt)) + len(tokenizer(completion)) + 1
        assert length == example.CONTEXT + 1


@pytest.mark.slow
def test_it_prints_accuracies_wrong_answers_and_what_it_wrote(
    example, preset, few_problems, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    options = ["--preset", preset, "--out", out, "--epochs", 1]
    monkeypatch.setattr("sys.argv", [str(PATH), *map(str, options)])
    # So small a model's steps take less time than XLA to compile them.
    with op_compilation(False):
        example.main()
    printed = capsys.readouterr().out
    assert "64 problems to train on, 8 held out\n" in printed
    before, after = re.findall(r"rightly (before|after): \d+\.\d%\n", printed)
    assert (before, after) == ("before", "after")
    assert re.search(r"  Q: What is .* A:.* \(not \d \d \d\)\n", printed)
    held_out = (out / "held_out.jsonl").read_text().splitlines()
    assert len(held_out) == NUM_HELD_OUT
    for name in ("preset", "history.json", "curves.png", "held_out.jsonl"):
        assert f"  {out / name}\n" in printed
        assert (out / name).exists()


def test_the_share_answered_rightly_counts_exact_answers(example, capsys):
    pairs = [example.problem(1, b) for b in range(4)]
    answered = [completion for _, completion in pairs]
    answered[2] += " 7"
    example.report("after", pairs, answered)
    assert "rightly after: 75.0%\n" in capsys.readouterr().out
    example.show_wrong(pairs, answered)
    expected = "  Q: What is 0 1 plus 0 2? A: 0 0 3 7 (not 0 0 3)\n"
    assert capsys.readouterr().out == expected


def test_the_quickstart_s_model_is_asked_for(example, tmp_path):
    with pytest.raises(SystemExit, match="Run `make quickstart` first"):
        example.load_model(tmp_path / "preset")


def test_it_says_what_to_run_and_to_expect(example):
    first, *_ = example.__doc__.splitlines()
    assert first == (
        "Teaches the quickstart's model two-digit addition, by fine-tuning it."
    )
    assert "python examples/finetune_addition.py" in example.__doc__
    assert re.search(r"takes about \d+ minutes", example.__doc__)
    assert re.search(r"rose from \d+%\s+to \d+%", example.__doc__)
