import dataclasses
import math

import numpy as np
import pytest

from keras_gpt3.evaluation.news_quiz.detection import detections
from keras_gpt3.evaluation.news_quiz.detection import kept_participants
from keras_gpt3.evaluation.news_quiz.detection import recognitions
from tests.evaluation.some_quiz import MACHINE
from tests.evaluation.some_quiz import participant
from tests.evaluation.some_quiz import some_key

KEY = some_key()
# Right and neutral answers of six, of those who read the control and a model.
CONTROL = [(6, 0), (5, 0), (5, 1), (4, 1)]
MODEL = [(3, 0), (2, 2), (4, 0), (0, 6), (3, 1)]
PARTICIPANTS = [
    participant(KEY, experiment, *counts, name=f"{experiment}{number}")
    for experiment, group in enumerate((CONTROL, MODEL))
    for number, counts in enumerate(group)
]


def test_accuracy_is_the_share_of_right_answers_that_are_not_neutral():
    control, model = detections(KEY, PARTICIPANTS)
    assert control.accuracies == pytest.approx((1, 5 / 6, 1, 4 / 5))
    # Who knew nothing has no accuracy, but counts among the neutral.
    assert model.accuracies == pytest.approx((1 / 2, 2 / 4, 4 / 6, 3 / 5))
    assert model.accuracy == pytest.approx(np.mean(model.accuracies))
    assert (model.num_participants, model.num_answers) == (5, 30)
    assert model.neutral_share == pytest.approx(9 / 30)
    assert control.neutral_share == pytest.approx(2 / 24)
    assert model.mean_minutes == pytest.approx(3.0)


def test_intervals_and_tests_are_what_the_paper_says_it_called():
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    control, model = detections(KEY, PARTICIPANTS)
    values = model.accuracies
    expected = stats.t.interval(
        0.95, len(values) - 1, np.mean(values), stats.sem(values)
    )
    assert model.interval == pytest.approx(expected, rel=1e-9)
    expected = stats.ttest_ind(control.accuracies, values)
    found = model.against(control)
    assert found.t == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    # The control's are told better, as in the paper.
    assert found.t > 0


def test_a_model_that_nobody_read_has_no_numbers():
    control, model = detections(KEY, PARTICIPANTS[:4])
    assert model.num_participants == 0
    for value in (model.accuracy, model.neutral_share, model.mean_minutes):
        assert math.isnan(value)
    assert math.isnan(model.against(control).t)


def test_both_human_and_both_machine_choices_count_alike():
    first = participant(KEY, 1, 6)
    weaker = tuple(
        dataclasses.replace(a, choice=a.choice.replace("very", "more"))
        for a in first.answers
    )
    second = dataclasses.replace(first, participant="b", answers=weaker)
    assert detections(KEY, [first, second])[1].accuracies == (1.0, 1.0)


def test_who_failed_the_check_or_looked_things_up_can_be_left_out():
    people = [
        participant(KEY, 1, 4, name="good"),
        participant(KEY, 1, 4, name="hasty", check="six"),
        participant(KEY, 1, 4, name="curious", looked_up=True),
    ]

    def kept(*exclude):
        found = kept_participants(KEY, people, exclude)
        return [p.participant for p in found]

    assert kept() == ["good", "hasty", "curious"]
    assert kept("check") == ["good", "curious"]
    assert kept("looked-up") == ["good", "hasty"]
    assert kept("check", "looked-up") == ["good"]


def test_answers_about_articles_seen_before_can_be_left_out():
    person = participant(KEY, 1, 4)
    first, *rest = person.answers
    seen = (dataclasses.replace(first, seen=True), *rest)
    person = dataclasses.replace(person, answers=seen)
    (kept,) = kept_participants(KEY, [person], ["seen"])
    assert kept.answers == tuple(rest)
    assert detections(KEY, [kept])[1].accuracies == (3 / 5,)


def test_what_cannot_be_excluded_is_said():
    with pytest.raises(ValueError, match="exclude must be one of check, looke"):
        kept_participants(KEY, [], ["checks"])
    with pytest.raises(ValueError, match="must have a check question to excl"):
        kept_participants(some_key(check=None), [], ["check"])


def test_the_articles_that_were_hardest_to_know_come_first():
    """Of a model's alone, by who took them for a machine's."""
    found = recognitions(KEY, PARTICIPANTS)
    items = {item.id: item for item in KEY.items}
    shares = [r.num_right / r.num_decided for r in found]
    assert shares == sorted(shares)
    for r in found:
        answers = [
            answer
            for person in PARTICIPANTS
            for answer in person.answers
            if items[answer.item].title == r.title
            and items[answer.item].experiment is not None
            and KEY.experiments[items[answer.item].experiment].name == r.name
            and answer.choice != "I don't know"
        ]
        assert r.num_decided == len(answers) > 0
        assert r.num_right == sum(a.choice == MACHINE for a in answers)
    assert {(r.name, r.is_control) for r in found} == {
        ("bad", True),
        ("runs/good", False),
    }
