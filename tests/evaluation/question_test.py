import pytest

from keras_gpt3.evaluation.example import Example
from keras_gpt3.evaluation.question import make_questions
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import telling
from tests.small_gpt3 import talking_model

TRAIN = [Example(f"cat {i} =", (f" {i}",)) for i in range(9)]
TEST = [Example(f"the {i} =", (f" {i}",)) for i in range(6)]


def questions(task=None, train=TRAIN, test=TEST, shots=2, **arguments):
    task = task or telling(max_new_tokens=2)
    made = make_questions(
        talking_model(), task, train, test, shots, **arguments
    )
    return list(made)


def test_each_example_has_demonstrations_of_its_own():
    made = questions()
    assert [question.index for question in made] == list(range(6))
    assert len({question.shared for question in made}) > 3
    for question in made:
        shown = question.shared.split("\n")
        assert len(set(shown)) == question.shots == 2
        assert set(shown) <= {one.demonstration for one in TRAIN}
        assert question.contexts == ("\n" + question.example.context,)


@pytest.mark.parametrize(
    ("draws", "order"),
    [
        (1, [0, 1, 2, 3, 4, 5]),
        (2, [0, 2, 4, 1, 3, 5]),
        (9, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_examples_may_share_draws(draws, order):
    made = questions(draws=draws)
    assert [question.index for question in made] == order
    assert len({question.shared for question in made}) == min(draws, 6)


def test_all_is_a_function_of_the_seed():
    assert questions(seed=1) == questions(seed=1) != questions(seed=2)


def test_the_instruction_comes_first_and_zero_shots_have_no_delimiter():
    task = telling(instruction="Add:")
    (question, *_) = questions(task, shots=1)
    assert question.shared.startswith("Add:\ncat ")
    (question, *_) = questions(task, shots=0)
    assert (question.shared, question.contexts) == ("Add:", ("\nthe 0 =",))
    (question, *_) = questions(shots=0)
    assert (question.shared, question.contexts) == ("", ("the 0 =",))


def test_as_many_demonstrations_as_fit_the_context_with_the_answer():
    (few, *_) = questions(telling(max_new_tokens=20), shots=9)
    (more, *_) = questions(telling(max_new_tokens=2), shots=9)
    assert 0 < few.shots < more.shots < 9
    encode = talking_model().preprocessor.tokenizer.encode_to_numpy
    assert len(encode(more.shared + more.contexts[0])) <= 40 - 2


def test_room_is_left_for_the_longest_choice():
    short, long = (" a", " b"), (" a", " hello" * 12)
    made = [
        questions(
            choosing(),
            test=[Example("q", (" a",), choices=choices, label=0)],
            shots=9,
        )[0]
        for choices in (short, long)
    ]
    assert made[1].shots < made[0].shots


def test_each_context_of_a_partial_evaluation_stands_there():
    example = Example("a", (" c",), label=0, contexts=("a", "b"))
    (question,) = questions(
        choosing(scoring="partial"), test=[example], shots=1
    )
    assert question.contexts == ("\na", "\nb")


def test_an_example_never_demonstrates_itself():
    for question in questions(train=TEST, shots=5):
        assert question.example.demonstration not in question.shared


def test_more_shots_than_there_are_raise():
    with pytest.raises(ValueError, match="Received: shots=10, with 9 in"):
        questions(shots=10)
