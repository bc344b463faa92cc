import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import example_scoring
from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.few_shot.example_scoring import generate_answers
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.task_definitions.task_examples import Example
from tests.evaluation.small_tasks import telling
from tests.small_gpt3 import talking_model

TRAIN = [Example("cat", (" 12",)), Example("hello", (" world",))]
TEST = [
    Example("the cat", (" the",)),
    Example("12", (" 12",)),
    Example("hello hello", (" 12",)),
]
END = talking_model().preprocessor.tokenizer.end_token_id


def questions(task, **arguments):
    made = make_questions(talking_model(), task, TRAIN, TEST, 1, **arguments)
    return list(made)


def slow_answer(task, question, stop):
    """The best of four beams, cut where the stop string begins."""
    tokenizer = talking_model().preprocessor.tokenizer
    model = talking_model()
    ids = np.array(question.prompts)
    preprocessor, model.preprocessor = model.preprocessor, None
    try:
        ((best, *_),) = model.beam_search(
            {"token_ids": ids, "padding_mask": np.ones(ids.shape, "bool")},
            max_new_tokens=task.max_new_tokens,
            stop_token_ids=[tokenizer.end_token_id],
        )
    finally:
        model.preprocessor = preprocessor
    text = tokenizer.detokenize([i for i in best.token_ids if i != END])
    return text.split(stop)[0]


def answers(task, made):
    """The outcomes, in the order of the questions."""
    found = {
        o.index: o for o in generate_answers(talking_model(), task, [made])
    }
    return [found[question.index] for question in made]


@pytest.mark.parametrize("draws", [None, 1])
@pytest.mark.parametrize("shares_prefixes", [False, True])
@pytest.mark.quick_cases(1)
def test_the_answer_is_the_best_of_four_beams(
    draws, shares_prefixes, monkeypatch
):
    if shares_prefixes:
        monkeypatch.setattr(
            shared_batches.shared_prefixes, "__defaults__", (2, 2)
        )
    task = telling(max_new_tokens=4, stop=("zzz",))
    made = questions(task, draws=draws)
    for question, outcome in zip(made, answers(task, made), strict=True):
        assert outcome.predicted == slow_answer(task, question, "zzz")
        assert (outcome.index, outcome.shots) == (question.index, 1)
        assert outcome.example == question.example.digest


def test_an_answer_does_not_depend_on_what_else_is_asked():
    task = telling(max_new_tokens=4, stop=("zzz",))
    made = questions(task, draws=1)
    together = answers(task, made)
    assert [answers(task, [question])[0] for question in made] == together


def test_an_answer_ends_before_a_stop_string():
    whole = telling(max_new_tokens=4, stop=("zzz",))
    made = questions(whole)
    first, *_ = answers(whole, made)
    stop = first.predicted[1]
    task = telling(max_new_tokens=4, stop=(stop, "zzz"))
    cut, *_ = answers(task, questions(task))
    assert stop not in cut.predicted


@pytest.mark.parametrize(
    ("metrics", "texts", "correct"),
    [
        (("exact_match",), (" 12", " the"), [1.0, 0.0]),
        (("squad_exact_match",), (" 12.", " the"), [1.0, 0.0]),
        (("f1",), (" 12 12", "x"), [2 / 3, 0.0]),
        (("bleu",), (" 12", "x"), [None, None]),
        ((), (" 12", "x"), [None, None]),
    ],
)
def test_outcomes_have_what_each_example_is_worth(
    metrics, texts, correct, monkeypatch
):
    task = telling(metrics=metrics)
    made = [q for q in questions(task) if q.example is TEST[1]]
    found = []
    for text in texts:

        def complete(model, arrays, request, prefix, text=text):
            return [text] * len(arrays["token_ids"])

        monkeypatch.setattr(example_scoring, "_complete", complete)
        found += generate_answers(talking_model(), task, [made])
    assert [outcome.correct for outcome in found] == pytest.approx(correct)
