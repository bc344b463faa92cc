"""What the fine-tuning example says of its data holds; nothing is trained."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest

PATH = pathlib.Path(__file__).parents[1] / "examples" / "finetune_addition.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("finetune_addition", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(prompt):
    """The set of the two numbers of a prompt."""
    return frozenset(map(int, re.findall(r"\d+", prompt)))


def test_no_held_out_problem_is_trained_on_either_way_round(example):
    training, held_out = example.problems(np.random.default_rng(1))
    assert len(training) + len(held_out) == len({*training, *held_out}) == 10000
    assert 300 < len(held_out) < 500
    trained = {numbers(prompt) for prompt, _ in training}
    assert not trained & {numbers(prompt) for prompt, _ in held_out}


def test_a_problem_is_worded_as_the_paper_s_and_answered_rightly(example):
    expected = "\n\nQ: What is 98 plus 45?\n\nA:", " 143"
    assert example.problem(98, 45) == expected
    training, _ = example.problems(np.random.default_rng(1))
    for prompt, completion in training[::100]:
        a, b = map(int, re.findall(r"\d+", prompt))
        assert completion == f" {a + b}"


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
