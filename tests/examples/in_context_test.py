"""What the example of tasks in context says holds; it runs tiny, in seconds."""

import dataclasses
import itertools
import random
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.question import prompt_parts
from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.evaluation.task_definitions.task_data import task_examples
from keras_gpt3.ops import op_compilation
from tests.examples.example_scripts import example_scripts

RULES = ["signs", "dictionary", "place"]
NAMES = [*RULES, "symbol_removal", "one_digit_sum", "two_digit_sum"]
SOME = ["dictionary", "symbol_removal", "two_digit_sum"]
COMPANIONS = ["reversal", "larger_of_1", "larger_of_2"]


@pytest.fixture(scope="module")
def scripts():
    with example_scripts("in_context") as found:
        yield found


def find_family(scripts, name):
    tasks = scripts.task_families
    found = {one.name: one for one in (*tasks.FAMILIES, *tasks.COMPANIONS)}
    assert list(found) == NAMES + COMPANIONS
    return found[name]


def lines_of(text):
    """Pairs of a question and its answer, of lines that are whole."""
    *lines, _ = text.split("\n")
    return [tuple(re.split("(?<=[>=])", line, maxsplit=1)) for line in lines]


# === Tasks ===


@pytest.mark.parametrize(
    ("name", "rule", "letters", "answer"),
    [
        ("signs", (0, 0, 1, 0, 0, 0, 0, 0), "c", "-"),
        ("dictionary", (3, 1, 4, 1, 5, 9, 2, 6), "c", "4"),
        ("place", (0, 3, 1, 4, 1, 5, 9, 2, 6), "bf", "1"),
        ("place", (1, 3, 1, 4, 1, 5, 9, 2, 6), "bf", "9"),
    ],
)
def test_a_rule_makes_the_answer(name, rule, letters, answer, scripts):
    assert find_family(scripts, name).answer(rule, letters) == answer


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("symbol_removal", r"(\w)[.,/!](\w)[.,/!](\w)=\1\2\3"),
        ("reversal", r"(\w)[.,/!](\w)[.,/!](\w)=\3\2\1"),
        ("one_digit_sum", r"(\d) (\d)=(\d\d)"),
        ("two_digit_sum", r"(\d\d) (\d\d)=(\d\d\d)"),
    ],
)
def test_words_and_sums_have_the_form_that_is_said(name, line, scripts):
    family, generator = find_family(scripts, name), random.Random(0)
    for _ in range(100):
        record = family.record((), generator)
        found = re.fullmatch(line, "{question}{answer}".format(**record))
        assert found
        if "sum" in name:
            one, other, total = map(int, found.groups())
            assert one + other == total


@pytest.mark.parametrize("name", NAMES)
def test_about_a_quarter_is_held_out_and_never_trained_on(name, scripts):
    family = find_family(scripts, name)
    generator = random.Random(0)

    def facts(held_out):
        rule = family.rule(generator, held_out)
        return family.fact(rule, family.record(rule, generator, held_out))

    trained, tested = ({facts(side) for _ in range(4000)} for side in (0, 1))
    assert not trained & tested
    if name == "signs":
        assert len(trained | tested) == 2**8
        assert len(tested) / 2**8 == pytest.approx(1 / 4, abs=0.1)
    if name not in RULES:
        keys = [family.key(family.draw(generator)) for _ in range(4000)]
        share = sum(map(scripts.task_families.is_held_out, keys)) / 4000
        assert share == pytest.approx(1 / 4, abs=0.1)


def test_a_word_is_held_out_of_all_its_tasks_and_a_pair_in_both_orders(scripts):
    generator = random.Random(0)
    for names in (
        ("symbol_removal", "reversal"),
        ("one_digit_sum", "larger_of_1"),
    ):
        sides = []
        for name, side in zip(names, (True, False), strict=True):
            family = find_family(scripts, name)
            records = [family.record((), generator, side) for _ in range(500)]
            found = [re.sub(r"\W", "", r["question"]) for r in records]
            sides.append({tuple(sorted(one)) for one in found})
            # Anagrams are other words.
            if "sum" not in name and "larger" not in name:
                sides[-1] = set(found)
        assert not sides[0] & sides[1]


@pytest.mark.parametrize("name", RULES)
def test_a_guess_is_right_as_often_as_chance_says(name, scripts):
    family = find_family(scripts, name)
    generator, guess = random.Random(0), random.Random(1)
    right = []
    for _ in range(2000):
        record = family.record(family.rule(generator, False), generator)
        guessed = tuple(guess.randrange(limit) for limit in family.limits)
        letters = record["question"].rstrip(">")
        right.append(record["answer"] == family.answer(guessed, letters))
    assert np.mean(right) == pytest.approx(family.chance, abs=0.03)
    assert family.best(0) == pytest.approx(family.chance)
    # One letter of eight is known.
    assert family.best(1) == pytest.approx(1 / 8 + 7 / 8 * family.chance)
    assert family.best(1000) == pytest.approx(1)


# === Training documents ===


@pytest.mark.parametrize("name", NAMES + COMPANIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_document_is_a_prompt_and_weighs_its_answers(name, seed, scripts):
    family = find_family(scripts, name)
    document = scripts.mixture.task_document(family, random.Random(seed))
    size = scripts.mixture.CONTEXT + 1
    assert len(document.text) == len(document.weights) == size
    heading = f"{family.description}\n"
    described = document.text.startswith(heading)
    pairs = lines_of(document.text.removeprefix(heading))
    records = [{"question": q, "answer": a} for q, a in pairs]

    # Evaluation renders the same, and 32 demonstrations fit.
    task = scripts.measure.task_of(family, described)
    splits = {"train": records[:32], "test": records[32:]}
    train = task_examples(task, "train", records=splits)
    test = task_examples(task, "test", records=splits)
    assert len(train) == 32
    before, (question,) = prompt_parts(task, train, test[0])
    asked = before + question + test[0].answers[0]
    assert document.text.startswith(f"{asked}\n")

    weighed = itertools.compress(document.text, document.weights)
    answers = "".join(answer for _, answer in pairs)
    assert "".join(weighed).startswith(answers)
    assert set(document.weights) == {0, 1}


def test_documents_hold_one_rule_and_text_too_and_repeat(scripts):
    mixture = scripts.mixture
    texts = mixture.Texts()
    found, again = (
        list(itertools.islice(mixture.documents(texts), 200)) for _ in range(2)
    )
    assert found == again
    assert {one.family.name for one in found if one.family} >= set(NAMES)
    text = [one for one in found if one.family is None]
    assert len(text) / 200 == pytest.approx(mixture.TEXT_SHARE, abs=0.06)
    assert set(text[0].weights) == {mixture.TEXT_WEIGHT}
    for one in found:
        if one.rule:
            pairs = set(lines_of(one.text.split(":\n")[-1]))
            assert len({question for question, _ in pairs}) == len(pairs)


def test_labels_and_weights_are_of_the_next_character(scripts):
    mixture = scripts.mixture
    texts, tokenizer = mixture.Texts(), mixture.character_tokenizer()
    data = mixture.training_data(tokenizer, texts, batch=8)
    inputs, labels, weights = next(iter(data.as_numpy_iterator()))
    ids = inputs["token_ids"]
    assert ids.shape == labels.shape == weights.shape == (8, mixture.CONTEXT)
    np.testing.assert_array_equal(ids[:, 1:], labels[:, :-1])
    drawn = itertools.islice(mixture.documents(texts), 8)
    for row, one in enumerate(drawn):
        np.testing.assert_allclose(weights[row], one.weights[1:])
        if one.family:
            assert tokenizer.detokenize(labels[row]) == one.text[1:]


def test_sizes_grow_and_are_of_the_same_form(scripts):
    sizes = scripts.sizes.SIZES
    assert len(sizes) >= 3
    counts = [scripts.sizes.make_model(size).count_params() for size in sizes]
    for small, large in itertools.pairwise(counts):
        assert large > 2 * small


# === Measurement ===


def test_a_mean_over_draws_has_its_error_over_draws(scripts):
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
    task = scripts.measure.task_of(find_family(scripts, "place"))
    mean = scripts.measure.mean_result(task, results)
    assert (mean.task, mean.value, mean.num_examples) == ("place", 0.75, 32)
    assert (mean.draws, mean.standard_error) == (4, pytest.approx(0.25))
    assert mean.interval[0] < 0.75 < mean.interval[1]


def test_what_is_asked_is_not_trained_on_and_would_be_found(scripts, tmp_path):
    measure = scripts.measure
    path = tmp_path / "documents.jsonl"
    texts = scripts.mixture.Texts()
    measure.write_documents(texts, path, 200)
    facts = measure.tested_facts(2)
    assert list(facts) == NAMES
    found = measure.contamination(facts, path)
    assert {one.num_dirty + one.num_short for one in found.values()} == {0}

    # What is trained on is found: the check can fail.
    drawn = itertools.islice(scripts.mixture.documents(texts), 200)
    trained = {}
    for one in drawn:
        if one.family and one.family.name in NAMES:
            (question, answer), *_ = lines_of(one.text.split(":\n")[-1])
            record = {"question": question, "answer": answer}
            fact = one.family.fact(one.rule, record)
            trained.setdefault(one.family.name, []).append(fact)
    for one in measure.contamination(trained, path).values():
        assert one.num_clean == 0 < one.num_dirty


# === The whole run ===


@pytest.fixture
def tiny_run(scripts, monkeypatch, tmp_path):
    """A function that runs all of it, with a tiny size of its own."""
    sizes = scripts.sizes
    tiny = dataclasses.replace(sizes.SIZES[0], num_layers=1, hidden_dim=8)
    monkeypatch.setattr(scripts.train, "SIZES", (tiny,))
    families = tuple(find_family(scripts, name) for name in SOME)
    for module in (scripts.train, scripts.measure):
        monkeypatch.setattr(module, "SHOTS", (0, 2))
        monkeypatch.setattr(module, "FAMILIES", families)
    monkeypatch.setattr(scripts.measure, "TEST", 2)

    def run(*options):
        arguments = ["train.py", "--out", str(tmp_path / "out"), *options]
        monkeypatch.setattr("sys.argv", arguments)
        # So small a model's steps take less time than XLA to compile them.
        with op_compilation(False):
            scripts.train.main()
        return tmp_path / "out"

    return run


def test_it_writes_tables_figures_and_results(tiny_run, capsys):
    out = tiny_run("--steps", "2", "--draws", "2")
    printed = capsys.readouterr().out
    for name in SOME:
        assert re.search(rf"\n  {name} +(\d+\.\d% *){{2}}\n", printed)
        assert re.search(rf"\n  {name}_undescribed +\d", printed)
    results = read_results(out / "results.json")
    tasks = [n + end for n in SOME for end in ("", "_undescribed")]
    assert [(r.task, r.shots) for r in results] == list(
        itertools.product(tasks, (0, 2))
    )
    assert all(r.mean_shots == r.shots for r in results)
    assert {(r.num_examples, r.draws) for r in results} == {(4, 2)}
    for name in ("figure_1_2.png", "figure_3_10.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    table = (out / "results.md").read_text("utf-8")
    assert "0 are in the 32 documents that each model is trained on" in table
    assert table.count("\n## ") == len(SOME)
    assert len(re.findall(r"\n\| 1x8, .* \| (?:yes|no) \|", table)) == 6

    # Rerun, it resumes: nothing is trained again.
    tiny_run("--steps", "2", "--draws", "2")
    assert "1x8 is there" in capsys.readouterr().out
    assert (out / "results.md").read_text("utf-8") == table
    with pytest.raises(SystemExit, match="with its own settings. Received"):
        tiny_run("--steps", "3", "--draws", "2")


def test_a_test_in_the_documents_ends_it(tiny_run, scripts, monkeypatch):
    sums = [f"{i} {j}={i + j:02}" for i in range(10) for j in range(10)]
    facts = {"one_digit_sum": sums}
    monkeypatch.setattr(scripts.train, "tested_facts", lambda _: facts)
    with pytest.raises(SystemExit, match=r"Received: \d+ dirty tests\. See"):
        tiny_run("--steps", "3")


@pytest.mark.parametrize("option", ["--steps 0", "--draws 1", "--draws x"])
def test_numbers_that_are_too_small_are_refused(option, tiny_run, capsys):
    with pytest.raises(SystemExit) as error:
        tiny_run(*option.split())
    assert error.value.code == 2
    assert re.search(r"less than|invalid", capsys.readouterr().err)
