"""Scores against several people's answers: CoQA's and QuAC's."""

import sys
import types

import pytest

from keras_gpt3.evaluation.metrics.text_score import coqa_exact_match
from keras_gpt3.evaluation.metrics.text_score import coqa_f1
from keras_gpt3.evaluation.metrics.text_score import people_agree
from keras_gpt3.evaluation.metrics.text_score import quac_f1
from tests.evaluation.metrics.text_score_test import naive_f1

# === CoQA ===


# Worked out by hand from `compute_turn_score` of
# https://nlp.stanford.edu/data/coqa/evaluate-v1.0.py
@pytest.mark.parametrize(
    ("prediction", "people", "f1", "exact"),
    [
        (" two", ["two"], 1.0, 1.0),
        # Without "two" the best is 2/3, without each other answer it is 1.
        (" two", ["two", "2", "two cats"], (2 / 3 + 1 + 1) / 3, 2 / 3),
        # Two people agree, so that one of them is always there.
        (" Two.", ["two", "2", "two cats", "two"], 1.0, 1.0),
        (" two", ["two", "no"], 0.5, 0.5),
        (" cats", ["two", "2", "two cats"], (2 / 3 + 2 / 3) / 3, 0.0),
        (" the", ["a"], 1.0, 1.0),
        (" dog", [], 0.0, 0.0),
    ],
)
def test_each_person_is_left_out_in_turn(prediction, people, f1, exact):
    assert coqa_f1(prediction, people) == pytest.approx(f1)
    assert coqa_exact_match(prediction, people) == pytest.approx(exact)


@pytest.fixture
def harness(monkeypatch):
    """lm_eval's CoQA, on F1 by crossing out words.

    It takes F1 from a module of transformers that release 5 has no more.
    """
    pytest.importorskip("lm_eval")
    name, module = "transformers", None
    for part in ("", "data", "metrics", "squad_metrics"):
        name += f".{part}" if part else ""
        child = types.ModuleType(name)
        if module is not None:
            setattr(module, part, child)
        monkeypatch.setitem(sys.modules, name, child)
        module = child
    module.compute_f1 = lambda answer, text: naive_f1(text, answer)
    module.compute_exact = lambda answer, text: float(answer == text)
    name = "lm_eval.tasks.coqa.utils"
    monkeypatch.delitem(sys.modules, name, raising=False)
    utils = pytest.importorskip(name)
    monkeypatch.delitem(sys.modules, name)
    return utils


@pytest.mark.parametrize("text", ["x", "x y", "y y z", "w"])
@pytest.mark.parametrize(
    "people", [["x"], ["x", "x y"], ["y z", "x", "z", "x"], ["x y", "w", "z"]]
)
def test_people_are_left_out_as_lm_evaluation_harness_does(
    text, people, harness
):
    expected = harness.compute_scores(people, text)
    assert coqa_f1(text, people) == pytest.approx(expected["f1"])
    assert coqa_exact_match(text, people) == pytest.approx(expected["em"])


# === QuAC ===

NONE = "CANNOTANSWER"


# Worked out by hand from `handle_cannot`, `leave_one_out_max` and
# `compute_span_overlap` of https://s3.amazonaws.com/my89public/quac/scorer.py
@pytest.mark.parametrize(
    ("prediction", "people", "f1"),
    [
        (" in Oldham", ["in Oldham"], 1.0),
        (" Oldham", ["in Oldham", "Oldham"], (2 / 3 + 1) / 2),
        # Half of the people could not answer: nothing else is right.
        (f" {NONE}", ["Oldham", NONE], 1.0),
        (" Oldham", ["Oldham", NONE], 0.0),
        # It must be that very word.
        (" cannotanswer", [NONE], 0.0),
        # Fewer could not: they do not count, nor are they left out.
        (" Oldham", ["Oldham", NONE, "Oldham"], 1.0),
        (" Oldham", ["in Oldham", NONE, "Oldham"], (2 / 3 + 1) / 2),
        (f" {NONE}", ["in Oldham", NONE, "Oldham"], 0.0),
        # Unlike SQuAD: no word in common is nothing, even if there is none.
        (" the", ["a"], 0.0),
    ],
)
def test_those_who_cannot_answer_count_if_they_are_half(prediction, people, f1):
    assert quac_f1(prediction, people) == pytest.approx(f1)


# As `leave_one_out` of that script has it, with its `min_f1` of 0.4.
@pytest.mark.parametrize(
    ("people", "agree"),
    [
        (["Oldham"], True),
        ([NONE, NONE, "Oldham", "Bern"], True),
        (["Oldham", "Bern"], False),
        (["Oldham", "Bern", NONE], False),
        # 1, 1 and 0.
        (["Oldham", "Oldham", "Bern"], True),
        # Both have 2 * 1 / (1 + 4) = 0.4.
        (["mill", "old mill at Oldham"], True),
        # Both have 2 * 1 / (1 + 5).
        (["mill", "old mill of red brick"], False),
    ],
)
def test_people_agree_from_an_f1_of_0_4(people, agree):
    assert people_agree(people) == agree
