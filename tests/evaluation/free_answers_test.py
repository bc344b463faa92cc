import pytest

from keras_gpt3.evaluation.example import Example
from keras_gpt3.evaluation.free_answers import FreeAnswers
from keras_gpt3.evaluation.question import make_questions
from tests.evaluation.small_tasks import telling
from tests.small_gpt3 import talking_model

TRAIN = [Example("cat", (" 12",)), Example("hello", (" world",))]
TEST = [Example("the cat", (" the",)), Example("12", (" 12",))]


def questions(task, **arguments):
    made = make_questions(talking_model(), task, TRAIN, TEST, 1, **arguments)
    return list(made)


def slow_answer(task, question, stop):
    """The best of four beams, cut where the stop string begins."""
    tokenizer = talking_model().preprocessor.tokenizer
    (best, *_) = talking_model().beam_search(
        question.shared + question.contexts[0],
        max_new_tokens=task.max_new_tokens,
        stop_token_ids=[tokenizer.end_token_id],
    )
    return best.text.split(stop)[0]


@pytest.mark.parametrize("draws", [None, 1])
def test_the_answer_is_the_best_of_four_beams(draws):
    task = telling(max_new_tokens=4, stop=("zzz",))
    made = questions(task, draws=draws)
    found = FreeAnswers(talking_model(), task)(made)
    for question, outcome in zip(made, found, strict=True):
        assert outcome.predicted == slow_answer(task, question, "zzz")
        assert (outcome.index, outcome.shots) == (question.index, 1)


def test_an_answer_ends_before_a_stop_string():
    whole = telling(max_new_tokens=4, stop=("zzz",))
    made = questions(whole)
    first, _ = FreeAnswers(talking_model(), whole)(made)
    stop = first.predicted[1]
    task = telling(max_new_tokens=4, stop=(stop, "zzz"))
    cut, _ = FreeAnswers(talking_model(), task)(questions(task))
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
    answer = FreeAnswers(talking_model(), task)
    monkeypatch.setattr(
        answer, "_complete", lambda prompts, prefix: [texts[0]] * len(prompts)
    )
    made = questions(task)
    made = [q for q in made if q.example is TEST[1]]
    right = answer(made)[0].correct
    monkeypatch.setattr(
        answer, "_complete", lambda prompts, prefix: [texts[1]] * len(prompts)
    )
    wrong = answer(made)[0].correct
    assert [right, wrong] == pytest.approx(correct)
