import dataclasses
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.few_shot.example_scoring import best_choice
from keras_gpt3.evaluation.few_shot.example_scoring import score_choices
from keras_gpt3.evaluation.few_shot.example_scoring import score_examples
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.task_definitions.task_examples import Example
from tests.evaluation.small_tasks import choosing
from tests.small_gpt3 import talking_model

# === Score examples ===


CHOICES = (" the", " world hello", " 12")
TRAIN = [Example("cat", (choice,)) for choice in CHOICES]


def example(context, label=1, **fields):
    return Example(
        context,
        **{
            "answers": (CHOICES[label],),
            "choices": CHOICES,
            "label": label,
            "answer_context": "12",
        }
        | fields,
    )


def outcomes(task, test, shots=2, draws=None, batch_size=3):
    questions = make_questions(
        talking_model(), task, TRAIN, test, shots, draws=draws
    )
    questions = list(questions)
    found = {
        outcome.index: outcome
        for outcome in score_examples(
            talking_model(), task, questions, batch_size
        )
    }
    return questions, [found[question.index] for question in questions]


def slow_sum(prompt, continuation):
    """The log-likelihood after a whole prompt, by a call of its own."""
    score = talking_model().score(list(prompt), continuation)
    return score.log_likelihood, len(score.token_ids)


@pytest.mark.parametrize("draws", [None, 1])
@pytest.mark.parametrize(
    "scoring", ["per_token", "likelihood", "answer_context"]
)
@pytest.mark.quick_cases(2)
def test_the_choice_is_that_of_the_rule(scoring, draws, monkeypatch):
    defaults = (2, 2)  # Prompts are short: they share a little.
    monkeypatch.setattr(
        shared_batches.shared_prefixes, "__defaults__", defaults
    )
    test = [example("hello"), example("the cat", label=0), example("12 the")]
    questions, found = outcomes(choosing(scoring=scoring), test, draws=draws)
    for question, outcome in zip(questions, found, strict=True):
        sums, lengths = zip(
            *(slow_sum(question.prompts[0], choice) for choice in CHOICES),
            strict=True,
        )
        np.testing.assert_allclose(outcome.log_likelihoods, sums, atol=1e-4)
        assert outcome.num_tokens == lengths
        assert len(set(lengths)) > 1
        scores = np.array(sums)
        if scoring == "per_token":
            scores /= lengths
        if scoring == "answer_context":
            model = talking_model()
            scores -= [model.score("12", c).log_likelihood for c in CHOICES]
        assert outcome.predicted == scores.argmax()
        is_right = outcome.predicted == question.example.label
        assert outcome.correct == float(is_right)
        assert outcome.shots == 2
        assert outcome.example == question.example.digest


def test_partial_evaluation_scores_what_stands_behind_the_choice():
    test = [
        Example("the cat", (" hello 12",), label=1, contexts=("the", "the cat"))
    ]
    (question,), (outcome,) = outcomes(choosing(scoring="partial"), test)
    sums = [slow_sum(prompt, " hello 12")[0] for prompt in question.prompts]
    np.testing.assert_allclose(outcome.log_likelihoods, sums, atol=1e-4)
    assert outcome.predicted == int(np.argmax(sums))


def test_greedy_tells_whether_each_token_is_the_likeliest():
    model = talking_model()
    text = model.generate("the cat", max_new_tokens=2, strip_prompt=True)
    test = [
        example("the cat", answers=(text,), choices=()),
        example("the cat", answers=(" world",), choices=()),
    ]
    _, found = outcomes(choosing(scoring="greedy"), test, shots=0)
    assert [outcome.correct for outcome in found] == [1.0, 0.0]
    for outcome, one in zip(found, test, strict=True):
        expected = model.score("the cat", one.answers[0])
        assert outcome.log_likelihoods[0] == pytest.approx(
            expected.log_likelihood, abs=1e-4
        )


def test_outcomes_come_before_the_last_question_is_made_batch_by_batch():
    made = []

    def questions():
        for i, question in enumerate(
            make_questions(
                talking_model(), choosing(), TRAIN, [example("12")] * 99, 0
            )
        ):
            made.append(i)
            yield dataclasses.replace(question, answers=((i, 1), (2, i)))

    found = score_examples(
        talking_model(), choosing(), questions(), batch_size=8
    )
    assert next(found).index == 0
    assert len(made) == 64


def test_a_kill_costs_a_batch_not_a_pool(monkeypatch):
    model, read = talking_model(), []
    score = type(model).score

    def counted(self, contexts, continuations, **arguments):
        read.append(len(contexts))
        return score(self, contexts, continuations, **arguments)

    monkeypatch.setattr(type(model), "score", counted)
    test = [example(f"the {'cat ' * i}".strip()) for i in range(1, 9)]
    questions = make_questions(model, choosing(), [], test, 0)
    found = score_examples(model, choosing(), questions, batch_size=3)
    for done in range(1, 9):
        next(found)
        # Of each question three rows, which are of like lengths.
        assert 3 * done <= sum(read) <= 3 * done + 3


# === Score choices ===


# One long choice, one likely by itself, one short.
SUMS = [-6.0, -3.5, -3.0]
TOKENS = [4, 2, 1]
ALONE = [-7.0, -1.5, -5.5]


@pytest.mark.parametrize(
    ("scoring", "scores", "best"),
    [
        # -6 / 4, -3.5 / 2, -3 / 1.
        ("per_token", [-1.5, -1.75, -3.0], 0),
        ("likelihood", SUMS, 2),
        # -6 + 7, -3.5 + 1.5, -3 + 5.5.
        ("answer_context", [1.0, -2.0, 2.5], 2),
        ("partial", SUMS, 2),
    ],
)
def test_each_rule_gives_the_scores_worked_out_by_hand(scoring, scores, best):
    found = score_choices(scoring, SUMS, TOKENS, ALONE)
    np.testing.assert_array_equal(found, scores)
    assert best_choice(found) == best


def test_the_answer_context_undoes_what_is_likely_anyway():
    # P = 0.2 and 0.1 after the question; 0.4 and 0.05 after "Answer: ".
    after = np.log([0.2, 0.1])
    alone = np.log([0.4, 0.05])
    scores = score_choices("answer_context", after, None, alone)
    np.testing.assert_allclose(np.exp(scores), [0.5, 2.0])
    assert best_choice(score_choices("likelihood", after)) == 0
    assert best_choice(scores) == 1


def test_the_first_of_equal_choices_is_taken():
    scores = score_choices("per_token", [-9.0, -2.0, -4.0], [3, 1, 2])
    assert best_choice(scores) == 1


def test_an_impossible_choice_is_never_taken():
    assert best_choice(score_choices("likelihood", [-np.inf, -99.0])) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("per_tokens", SUMS),
            "scoring must be one of per_token, likelihood, answer_context, "
            "partial. Received: scoring='per_tokens'. Did you mean "
            "'per_token'?",
        ),
        (
            ("likelihood", [-1.0]),
            "There must be at least two choices to rank. Received: "
            "log_likelihoods=[-1.0]. Give each choice's.",
        ),
        (
            ("per_token", SUMS),
            "num_tokens must be 3 numbers. Received: num_tokens=None. Give one "
            "for each choice.",
        ),
        (
            ("per_token", SUMS, [1, 0, 1]),
            "A choice must have at least one token. Received: num_tokens="
            "[1, 0, 1]. Fill or remove the empty choice.",
        ),
        (
            ("answer_context", SUMS, TOKENS, [-1.0]),
            "answer_log_likelihoods must be 3 numbers. Received: "
            "answer_log_likelihoods=[-1.0]. Give one for each choice.",
        ),
        (
            ("likelihood", [-1.0, np.nan]),
            "log_likelihoods must be numbers. Received: log_likelihoods="
            "[-1.0, nan]. Look for NaN in the model's weights.",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        score_choices(*arguments)
