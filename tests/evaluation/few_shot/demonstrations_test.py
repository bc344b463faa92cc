import collections
import re

import pytest

from keras_gpt3.evaluation.few_shot.demonstrations import demonstration_examples
from keras_gpt3.evaluation.few_shot.demonstrations import draw
from keras_gpt3.evaluation.task_definitions.task_examples import Example

# === Demonstrations ===


def test_demonstrations_are_different_examples():
    drawn = draw(100, shots=100, seed=0, index=0)
    assert sorted(drawn) == list(range(100))
    assert drawn != list(range(100))


def test_a_draw_depends_on_task_seed_and_index_only():
    first = draw(1000, 5, seed=0, index=3, task_name="piqa")
    assert draw(1000, 5, seed=0, index=3, task_name="piqa") == first
    others = [
        draw(1000, 5, seed=1, index=3, task_name="piqa"),
        draw(1000, 5, seed=0, index=4, task_name="piqa"),
        draw(1000, 5, seed=0, index=3, task_name="race"),
    ]
    assert all(other != first for other in others)


def test_the_draw_is_the_same_on_every_machine():
    drawn = draw(1000, 5, seed=0, index=0, task_name="piqa")
    assert drawn == [409, 177, 400, 559, 595]


def test_fewer_shots_are_the_first_of_more():
    drawn = draw(1000, 50, seed=0, index=0, task_name="piqa")
    for shots in (0, 1, 10):
        assert draw(1000, shots, 0, 0, "piqa") == drawn[:shots]


def test_every_example_is_drawn_equally_often():
    counts = collections.Counter(
        number for index in range(2000) for number in draw(5, 2, 0, index)
    )
    # 800 each, with a deviation of 22.
    assert set(counts) == set(range(5))
    assert all(700 < count < 900 for count in counts.values())


@pytest.mark.parametrize("exclude", [(0,), (3,), (9, 4)])
def test_the_tested_example_is_not_drawn_and_another_takes_its_place(exclude):
    drawn = draw(10, 10 - len(exclude), seed=0, index=0, exclude=exclude)
    assert sorted({*drawn, *exclude}) == list(range(10))
    everyone = draw(10, 10, seed=0, index=0)
    assert drawn == [number for number in everyone if number not in exclude]


@pytest.mark.parametrize(
    ("arguments", "available"), [({}, 10), ({"exclude": (4,)}, 9)]
)
def test_more_shots_than_examples_are_an_error(arguments, available):
    message = (
        "shots must be at most the number of examples to draw from. Received: "
        f"shots=11, with {available} in piqa/train.jsonl. Pass fewer shots or "
        "add examples."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(10, 11, 0, index=0, source="piqa/train.jsonl", **arguments)


def test_shots_must_not_be_negative():
    with pytest.raises(ValueError, match="^shots must be an integer of at .*"):
        draw(10, -1, seed=0, index=0)


# === Demonstration examples ===


def example(context, answer, **fields):
    return Example(context, (answer,), **fields)


def test_examples_without_groups_stay_as_they_are():
    examples = [example("a", "1"), example("a", "1"), Example("b", ())]
    assert demonstration_examples(examples) == examples


def test_a_group_is_shown_once_with_all_of_its_answers():
    examples = [
        example("q1", "\n- [True] a", group="1", choices=("x", "y"), label=0),
        example("q2", "\n- [True] b", group="2", choices=("x", "y"), label=0),
        example("q1", "\n- [False] c", group="1", choices=("x", "y"), label=1),
    ]
    shown = demonstration_examples(examples)
    assert [one.demonstration for one in shown] == [
        "q1\n- [True] a\n- [False] c",
        "q2\n- [True] b",
    ]


def test_a_group_of_different_contexts_is_not_joined():
    examples = [example("a", "1", group="1"), example("b", "2", group="1")]
    assert demonstration_examples(examples) == examples


def test_what_does_not_hold_is_not_shown():
    right = example("a", " ann")
    wrong = example("b", " eva", holds=False)
    assert demonstration_examples([wrong, right]) == [right]
