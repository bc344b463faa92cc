import collections
import re

import pytest

from keras_gpt3.evaluation.few_shot.demonstrations import draw


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
