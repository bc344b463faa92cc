"""What the in-context learning example says holds; it runs tiny, in seconds."""

import functools
import importlib.util
import itertools
import pathlib
import random
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.ops import op_compilation

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
PATH = EXAMPLES / "in_context_learning.py"
NAMES = ["signs", "dictionary", "place"]


def load_example():
    spec = importlib.util.spec_from_file_location("in_context_learning", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load_example()
FAMILIES = {family.name: family for family in example.FAMILIES}


def family_params():
    return pytest.mark.parametrize("family", example.FAMILIES, ids=NAMES)


@pytest.mark.parametrize(
    ("name", "rule", "word", "answer"),
    [
        ("signs", (0, 0, 1, 0, 0, 0, 0, 0), "c", "-"),
        ("dictionary", (3, 1, 4, 1, 5, 9, 2, 6), "c", "4"),
        ("place", (0, 3, 1, 4, 1, 5, 9, 2, 6), "bf", "1"),
        ("place", (1, 3, 1, 4, 1, 5, 9, 2, 6), "bf", "9"),
    ],
)
def test_a_rule_makes_the_answer(name, rule, word, answer):
    assert FAMILIES[name].answer(rule, word) == answer


def test_a_quarter_of_the_rules_is_held_out_and_never_trained_on():
    family = FAMILIES["signs"]
    parts = [
        {family.rule(generator, side) for _ in range(4000)}
        for side, generator in enumerate(map(random.Random, range(2)))
    ]
    assert len(parts[0] | parts[1]) == 2**8
    assert not parts[0] & parts[1]
    assert len(parts[1]) / 2**8 == pytest.approx(1 / example.HELD_OUT, abs=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_a_context_holds_one_rule_and_weighs_its_answers_only(seed):
    text, weights = example.context(random.Random(seed))
    assert len(text) == example.CONTEXT + 1
    assert len(weights) == example.CONTEXT
    *lines, _ = text.split("\n")
    known = {}
    for line in lines:
        word, answer = line.split(">")
        assert known.setdefault(word, answer) == answer
    weighed = "".join(
        character
        for character, weight in zip(text[1:], weights, strict=True)
        if weight
    )
    answers = "".join(re.findall(r">([^\n]*)", text))
    assert weighed == answers


@family_params()
def test_the_most_demonstrations_fit_the_context(family):
    rule = family.rule(random.Random(0), held_out=True)
    record = family.record(rule, random.Random(0))
    line = "{word}>{answer}\n".format(**record)
    assert (max(example.SHOTS) + 1) * len(line) <= example.CONTEXT


def test_every_character_is_a_token_and_batches_repeat_by_seed(monkeypatch):
    monkeypatch.setattr(example, "BATCH", 2)
    model = example.make_model(num_layers=2, hidden_dim=8)
    tokenizer = model.preprocessor.tokenizer
    data = example.training_data(tokenizer)
    (inputs, labels, weights), (again, *_) = (
        next(iter(data.as_numpy_iterator())) for _ in range(2)
    )
    ids = inputs["token_ids"]
    assert ids.shape == labels.shape == weights.shape == (2, example.CONTEXT)
    np.testing.assert_array_equal(ids, again["token_ids"])
    np.testing.assert_array_equal(ids[:, 1:], labels[:, :-1])
    for text in tokenizer.detokenize(ids):
        assert re.fullmatch(r"[a-h0-9+>\n-]{165}", text)


@family_params()
def test_a_guess_is_right_as_often_as_chance_says(family):
    generator = random.Random(0)
    guess = random.Random(1)
    right = []
    for _ in range(2000):
        record = family.record(family.rule(generator, False), generator)
        guessed = tuple(guess.randrange(limit) for limit in family.limits)
        right.append(record["answer"] == family.answer(guessed, record["word"]))
    assert np.mean(right) == pytest.approx(family.chance, abs=0.03)


@pytest.mark.slow
def test_it_writes_a_figure_and_numbers(tmp_path, monkeypatch, capsys):
    make_model = functools.partial(example.make_model, 1, 8)
    monkeypatch.setattr(example, "make_model", make_model)
    monkeypatch.setattr(example, "BATCH", 2)
    monkeypatch.setattr(example, "SHOTS", (0, 2))
    options = {
        "--out": tmp_path / "out",
        "--steps": 2,
        "--tasks": 2,
    }
    arguments = map(str, itertools.chain(*options.items()))
    monkeypatch.setattr("sys.argv", [str(PATH), *arguments])
    # So small a model's steps take less time than XLA to compile them.
    with op_compilation(False):
        example.main()
    printed = capsys.readouterr().out
    assert "Accuracy at held-out tasks with K = 0 2\n" in printed
    for name in NAMES:
        assert re.search(rf"\n  {name} +(\d+\.\d% *){{2}}\n", printed)
    assert f"Written to {tmp_path / 'out'}\n" in printed
    for name in ("in_context_learning.png", "preset"):
        assert (tmp_path / "out" / name).exists()
    results = read_results(tmp_path / "out" / "in_context_learning.json")
    assert [(r.task, r.shots) for r in results] == list(
        itertools.product(NAMES, (0, 2))
    )
    assert {r.num_examples for r in results} == {2 * example.TEST}
    assert all(r.mean_shots == r.shots for r in results)


def test_a_mean_over_tasks_has_its_error_and_interval_over_tasks():
    results = [
        TaskResult(
            f"place_{number}",
            "tiny",
            shots=4,
            seed=0,
            metric="accuracy",
            value=value,
            standard_error=0.0,
            interval=(value, value),
            num_examples=8,
            mean_shots=4.0,
        )
        for number, value in enumerate([0.0, 1.0, 1.0, 1.0])
    ]
    mean = example.mean_result(FAMILIES["place"], results)
    assert (mean.task, mean.value, mean.num_examples) == ("place", 0.75, 32)
    assert mean.standard_error == pytest.approx(0.25)
    assert mean.interval == (0.25, 1.0)


@family_params()
def test_most_that_can_be_known_is_chance_at_first_and_all_at_last(family):
    assert family.most(0) == pytest.approx(family.chance)
    # One letter of eight is known.
    assert family.most(1) == pytest.approx(1 / 8 + 7 / 8 * family.chance)
    assert family.most(1000) == pytest.approx(1)


def test_the_committed_numbers_rise_and_are_those_of_the_docstring():
    path = EXAMPLES / "data" / "in_context_learning.json"
    results = read_results(path)
    assert path.with_suffix(".png").exists()
    for family in example.FAMILIES:
        found = [r for r in results if r.task == family.name]
        assert tuple(r.shots for r in found) == example.SHOTS
        values = "  ".join(f"{r.value:6.1%}" for r in found)
        assert f"{family.name:10}  {values}" in example.__doc__
        # More is known with more demonstrations, beyond chance and noise.
        assert found[-1].interval[0] > found[0].interval[1]
        assert found[-1].interval[0] > family.chance
