import dataclasses

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.few_shot.score_examples import score_examples
from keras_gpt3.evaluation.task_definitions.task_examples import Example
from tests.evaluation.small_tasks import choosing
from tests.small_gpt3 import talking_model

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
