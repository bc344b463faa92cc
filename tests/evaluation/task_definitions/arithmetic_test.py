import re

import pytest

from keras_gpt3.evaluation.task_definitions.arithmetic import ARITHMETIC_TASKS
from keras_gpt3.evaluation.task_definitions.arithmetic import arithmetic_records
from tests.evaluation.published_records import published
from tests.evaluation.rebuilt_records import rebuilt_problem

PUBLISHED = [
    record
    for task_name in ("two_digit_addition", "single_digit_three_ops")
    for record in published(task_name)
]
SETTINGS = [
    *((task_name, "first") for task_name in ARITHMETIC_TASKS),
    ("single_digit_three_ops", "last"),
]


def question(record):
    return record["context"].removeprefix("\n\nQ: What is ").split("?")[0]


@pytest.mark.parametrize("record", PUBLISHED, ids=question)
def test_a_published_record_can_be_rebuilt(record):
    assert rebuilt_problem(record) == record


@pytest.mark.parametrize(("task_name", "bracket"), SETTINGS)
def test_problems_have_the_published_form_and_the_right_answer(
    task_name, bracket
):
    for record in arithmetic_records(task_name, 50, bracket=bracket):
        assert re.fullmatch(
            r"\n\nQ: What is [-+*()\d a-z]+\?\n\nA:", record["context"]
        )
        code = question(record).replace("plus", "+").replace("minus", "-")
        # Python's own arithmetic is the oracle.
        answer = eval(code.replace("times", "*"))
        assert record == {
            "context": record["context"],
            "completion": f" {answer}",
        }
        assert rebuilt_problem(record) == record


@pytest.mark.parametrize(
    ("task_name", "form"),
    [
        ("two_digit_addition", r"\d{1,2} plus \d{1,2}"),
        ("three_digit_subtraction", r"\d{1,3} minus \d{1,3}"),
        ("four_digit_addition", r"\d{1,4} plus \d{1,4}"),
        ("five_digit_subtraction", r"\d{1,5} minus \d{1,5}"),
        ("two_digit_multiplication", r"\d{1,2} times \d{1,2}"),
        ("single_digit_three_ops", r"\([1-9] [-+*] [1-9]\) [-+*] [1-9]"),
    ],
)
def test_a_task_asks_for_what_its_name_says(task_name, form):
    for record in arithmetic_records(task_name, 100):
        assert re.fullmatch(form, question(record))


def test_the_last_two_numbers_may_be_in_brackets():
    digits = set()
    for record in arithmetic_records(
        "single_digit_three_ops", 100, bracket="last"
    ):
        form = r"(\d) [-+*] \((\d) [-+*] (\d)\)"
        digits.update(re.fullmatch(form, question(record)).groups())
    assert digits == set("0123456789")


def test_numbers_are_uniform_from_zero():
    records = arithmetic_records("two_digit_addition", 2000)
    numbers = [
        int(number)
        for record in records
        for number in re.findall(r"\d+", question(record))
    ]
    assert (min(numbers), max(numbers)) == (0, 99)
    # The mean of 4000 has a standard deviation of 0.46.
    assert sum(numbers) / len(numbers) == pytest.approx(49.5, abs=2)


def test_nine_pairs_of_signs_are_drawn():
    signs = {
        "".join(re.findall(r"[-+*]", question(record)))
        for record in arithmetic_records("single_digit_three_ops", 200)
    }
    assert len(signs) == 9


@pytest.mark.parametrize("task_name", ARITHMETIC_TASKS)
def test_the_first_records_are_those_of_a_smaller_count(task_name):
    records = arithmetic_records(task_name)
    assert len(records) == 2000
    assert arithmetic_records(task_name, 100) == records[:100]


@pytest.mark.parametrize(("task_name", "bracket"), SETTINGS)
def test_no_problem_comes_twice_or_in_both_splits(task_name, bracket):
    records = [
        *arithmetic_records(task_name, bracket=bracket),
        *arithmetic_records(task_name, bracket=bracket, split="train"),
    ]
    assert len({record["context"] for record in records}) == 2500


def test_seeds_and_tasks_have_problems_of_their_own():
    draws = [
        arithmetic_records("two_digit_addition", 20),
        arithmetic_records("two_digit_addition", 20, seed=1),
        arithmetic_records("two_digit_subtraction", 20),
    ]
    numbers = [
        tuple(re.findall(r"\d+", question(record)))
        for draw in draws
        for record in draw
    ]
    assert len(set(numbers)) > 50


def test_the_draw_is_the_same_on_every_machine():
    records = arithmetic_records("five_digit_subtraction", 2, seed=7)
    assert [question(record) for record in records] == [
        "26055 minus 97387",
        "18946 minus 26900",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"task_name": "two_digit_adition"},
            "task_name must be one of two_digit_addition, .*"
            "Did you mean 'two_digit_addition'?",
        ),
        (
            {"bracket": "middle"},
            "bracket must be one of first, last. Received: bracket='middle'.*",
        ),
        (
            {"split": "dev"},
            "split must be one of train, test. Received: split='dev'.*",
        ),
        (
            {"count": 0},
            "count must be an integer of at least 1. Received: count=0.*",
        ),
        (
            {"count": 4001},
            "count must be at most 4000 for two_digit_addition and "
            "split='test'. Received: count=4001. Request fewer.",
        ),
        (
            {"count": 657, "task_name": "single_digit_three_ops"}
            | {"split": "train"},
            "count must be at most 656 for single_digit_three_ops and "
            "split='train'. Received: count=657. Request fewer.",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    arguments = {"task_name": "two_digit_addition"} | arguments
    pattern = re.escape(message).replace(r"\.\*", ".*")
    with pytest.raises(ValueError, match=f"^{pattern}$"):
        arithmetic_records(**arguments)


def test_what_is_no_arithmetic_cannot_be_rebuilt():
    assert rebuilt_problem({"context": "Who?", "completion": " I"}) is None
