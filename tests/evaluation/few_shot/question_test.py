import dataclasses

import pytest

from keras_gpt3.evaluation.few_shot.demonstrations import demonstration_examples
from keras_gpt3.evaluation.few_shot.question import check_questions
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.few_shot.question import twins
from keras_gpt3.evaluation.task_definitions.task_examples import Example
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


def text(question, place=0):
    """What a model reads, as text."""
    tokenizer = talking_model().preprocessor.tokenizer
    return tokenizer.detokenize(list(question.prompts[place]))


def test_each_example_has_demonstrations_of_its_own():
    made = questions()
    assert [question.index for question in made] == list(range(6))
    shared = [text(question).rpartition("\n")[0] for question in made]
    assert len(set(shared)) > 3
    for question in made:
        *shown, asked = text(question).split("\n")
        assert asked == question.example.context
        assert len(set(shown)) == question.shots == 2
        assert set(shown) <= {one.demonstration for one in TRAIN}


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
    shared = {text(question).rpartition("\n")[0] for question in made}
    assert len(shared) == min(draws, 6)


def test_all_is_a_function_of_the_seed():
    assert questions(seed=1) == questions(seed=1) != questions(seed=2)


def test_questions_do_not_depend_on_how_many_are_asked():
    assert questions(test=TEST[:2]) == questions()[:2]


def test_the_instruction_comes_first_and_zero_shots_have_no_delimiter():
    task = telling(instruction="Add:")
    (question, *_) = questions(task, shots=1)
    assert text(question).startswith("Add:\ncat ")
    (question, *_) = questions(task, shots=0)
    assert text(question) == "Add:\nthe 0 ="
    (question, *_) = questions(shots=0)
    assert text(question) == "the 0 ="


def test_as_many_demonstrations_as_fit_the_context_with_the_answer():
    (few, *_) = questions(telling(max_new_tokens=20), shots=9)
    (more, *_) = questions(telling(max_new_tokens=2), shots=9)
    assert 0 < few.shots < more.shots < 9
    assert len(few.prompts[0]) <= 40 - 20
    assert len(more.prompts[0]) <= 40 - 2


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
    assert len(made[1].pairs) == 2
    assert max(len(p) + len(a) for p, a in made[1].pairs) <= 40


def test_only_the_right_answer_is_scored_where_it_is_to_be_the_likeliest():
    test = [Example("q", (" b",), choices=(" a", " b"), label=1)]
    (question,) = questions(choosing(scoring="greedy"), test=test, shots=0)
    tokenizer = talking_model().preprocessor.tokenizer
    assert [tokenizer.detokenize(list(a)) for a in question.answers] == [" b"]


def test_each_context_of_a_partial_evaluation_stands_there():
    example = Example("a", (" c",), label=0, contexts=("a", "b"))
    (question,) = questions(
        choosing(scoring="partial"), test=[example], shots=1
    )
    assert text(question, 0).endswith("\na")
    assert text(question, 1).endswith("\nb")
    (answer,) = question.answers
    assert question.pairs == tuple((p, answer) for p in question.prompts)


def test_what_is_known_is_not_made_again():
    made = questions(known={0, 2, 3})
    assert [question.index for question in made] == [1, 4, 5]
    assert made == [questions()[index] for index in (1, 4, 5)]


def with_places(examples, file):
    """The same records, read from another file."""
    return [
        dataclasses.replace(one, where=f"{file}, line={line}")
        for line, one in enumerate(examples, start=1)
    ]


def test_an_example_never_demonstrates_itself():
    test, train = (with_places(TEST, name) for name in ("test", "train"))
    arguments = {"train": train, "test": test, "excluded": twins(train, test)}
    for question in questions(shots=5, **arguments):
        assert question.shots >= 4  # As many as fit.
        assert text(question).count(question.example.context) == 1
    with pytest.raises(ValueError, match="Received: shots=6, with 5 in"):
        questions(shots=6, **arguments)


def test_twins_are_those_of_one_split_wherever_it_is_read():
    test = with_places([*TEST[:2], TEST[0]], "test")
    train = with_places(test, "train")
    assert twins(train, test) == {0: (0, 2), 1: (1,), 2: (0, 2)}
    assert twins(train[:2], test) == {0: (0,), 1: (1,), 2: (0,)}
    assert twins(train, test[:2]) == {0: (0, 2), 1: (1,)}


def test_what_is_asked_in_two_splits_has_no_twin():
    assert twins(TEST[::-1], TEST) == {}
    assert twins([], TEST) == {}


def test_a_demonstration_of_a_group_is_the_twin_of_all_its_examples():
    test = [
        Example("Where?", (" In Rome",), holds=False),
        *(Example("Who?", (f"\n- {n}",), group="0") for n in ("Ann", "Bob")),
    ]
    assert twins(demonstration_examples(test), test) == {1: (0,), 2: (0,)}


def test_more_shots_than_there_are_raise():
    with pytest.raises(ValueError, match="Received: shots=10, with 9 in"):
        questions(shots=10)


@pytest.mark.parametrize(
    "long",
    [
        Example("hello " * 40, (" 1",), where="a.jsonl:7"),
        Example("hello", (" 1" * 40,), where="a.jsonl:7"),
        Example("a", (" c",), contexts=("a", "b" * 40), where="a.jsonl:7"),
    ],
)
def test_what_cannot_fit_is_named_before_anything_is_asked(long):
    task = choosing(scoring="partial" if long.contexts else "greedy")
    check_questions(talking_model(), task, TEST)
    with pytest.raises(ValueError, match="of an answer for a.jsonl:7. Sh"):
        check_questions(talking_model(), task, [*TEST, long])


def test_what_fits_is_what_is_made():
    # One token more each time.
    for count in range(30, 45):
        test = [Example(" the" * count, (" 1",))]
        task = telling(max_new_tokens=5)
        is_made = True
        try:
            questions(task, test=test, shots=0)
        except ValueError:
            is_made = False
        assert is_made == (count <= 35)
        if is_made:
            check_questions(talking_model(), task, test)
            continue
        with pytest.raises(ValueError, match="must fit into 40 tokens"):
            check_questions(talking_model(), task, test)
