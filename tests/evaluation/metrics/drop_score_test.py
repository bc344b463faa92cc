import random
import re

import pytest

from keras_gpt3.evaluation.metrics.drop_score import drop_exact_match
from keras_gpt3.evaluation.metrics.drop_score import drop_f1
from keras_gpt3.evaluation.metrics.drop_score import normalize_span

pytest.importorskip("scipy")


# What drop_eval.py gives is from its own test cases and worked out by hand:
# https://github.com/allenai/allennlp-reading-comprehension/blob/master/tests/eval/drop_eval_test.py
@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("12", "12.0"),
        (" 1.2e1 ", "12.0"),
        ("$1,000", "1000.0"),
        ("12 Persons", "12.0 persons"),
        ("S.K. Singh", "sk singh"),
        ("the 78-yard TD", "78.0 yard td"),
        # A hyphen ends a word, so that signs do not count.
        ("-3", "3.0"),
        # Each word is looked at alone: "a" of "a.b" is none.
        ("a.b the\tc", "ab c"),
        ("An a, the", ""),
    ],
)
def test_a_span_is_normalized_as_drop_does(text, normal):
    assert normalize_span(text) == normal


@pytest.mark.parametrize(
    ("prediction", "reference", "exact", "f1"),
    [
        ("78", ["78.0"], 1.0, 1.0),
        ("the td", ["TD"], 1.0, 1.0),
        ("Elton John", ["John Elton"], 0.0, 1.0),
        # Words count once: P = R = 1.
        ("to to be", "to be", 0.0, 1.0),
        # P = 1, R = 1 / 3.
        ("packers", ["Green bay packers"], 0.0, 0.5),
        ("78", ["78-yard"], 0.0, 0.67),
        # The reference's number must be there, others may be.
        ("yard", ["36 yard td"], 0.0, 0.0),
        ("23 yards", ["43 yards"], 0.0, 0.0),
        ("23 yards", ["yards"], 0.0, 0.67),
        # One span is paired with one.
        ("td", ["td", "td"], 0.0, 0.5),
        (["td", "td"], ["td"], 0.0, 0.5),
        (["Bo", "Ann"], ["Ann", "Bo"], 1.0, 1.0),
        ("Ann, Bo", ["Ann", "Bo"], 0.0, 0.33),
        (["John Karman", "Joe Hardy"], ["Joe Karman", "John Hardy"], 0, 0.5),
        # The best pairs, not the first: 2/3 and 1 in place of 1 and 0.
        (["b", "b c"], ["b c", "b d"], 0.0, 0.83),
        ("", ["army"], 0.0, 0.0),
        ("army", ["the"], 0.0, 0.0),
        ("", ["the"], 1.0, 1.0),
    ],
)
def test_spans_are_paired_as_drop_does(prediction, reference, exact, f1):
    assert drop_exact_match(prediction, [reference]) == exact
    assert drop_f1(prediction, [reference]) == f1


def test_the_best_person_s_answer_counts():
    people = [("3", "4"), ("seven",), ("7",)]
    assert drop_f1(" 7", people) == drop_exact_match(" 7", people) == 1.0
    assert drop_f1(" 4", people) == 0.5


@pytest.mark.parametrize("references", [(), ("  ",), ((" ", "7"),)])
def test_a_reference_that_begins_empty_does_not_count(references):
    assert drop_f1("7", references) == drop_exact_match("7", references) == 0.0


_PIECES = re.split(
    "/", "12/12.0/1,000/-3/the/a/78-yard/td/S.K./5%/1e3/nan/John/An/ /3/4th/.5"
)


def some_span(generator):
    pieces = generator.choices(_PIECES, k=generator.randrange(5))
    return generator.choice(" -").join(pieces)


def test_scores_are_those_of_lm_evaluation_harness():
    harness = pytest.importorskip("lm_eval.tasks.drop.utils")
    generator = random.Random(0)
    for _ in range(300):
        spans = [some_span(generator) for _ in range(8)]
        predicted = spans[: generator.randrange(1, 5)]
        # Some spans are of both.
        start = generator.randrange(5)
        reference = spans[start : start + generator.randrange(1, 4)]
        expected = harness.get_metrics(predicted, reference)
        if not reference[0].strip():
            expected = (0.0, 0.0)
        references = [reference]
        found = (
            drop_exact_match(predicted, references),
            drop_f1(predicted, references),
        )
        assert found == expected, (predicted, reference)


def test_a_generated_answer_is_one_span_as_there():
    harness = pytest.importorskip("lm_eval.tasks.drop.utils")
    for text in ("Ann, Bo", "Ann and Bo", "Bo", "Max"):
        answers = [("Ann", "Bo"), ("Ann Lind",)]
        expected = harness.process_results({"answers": answers}, [text])
        assert drop_f1(text, answers) == expected["f1"]
        assert drop_exact_match(text, answers) == expected["em"]
