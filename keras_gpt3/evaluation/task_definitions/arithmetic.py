"""The paper's ten arithmetic tasks (section 3.9.1), generated."""

import hashlib
import operator
import random

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed

_THREE = "single_digit_three_ops"
# Digits of the two numbers, and the word between them.
_TWO_NUMBERS = {
    "two_digit_addition": (2, "plus"),
    "two_digit_subtraction": (2, "minus"),
    "three_digit_addition": (3, "plus"),
    "three_digit_subtraction": (3, "minus"),
    "four_digit_addition": (4, "plus"),
    "four_digit_subtraction": (4, "minus"),
    "five_digit_addition": (5, "plus"),
    "five_digit_subtraction": (5, "minus"),
    "two_digit_multiplication": (2, "times"),
}
ARITHMETIC_TASKS = (*_TWO_NUMBERS, _THREE)

_OPERATIONS = {
    "plus": operator.add,
    "minus": operator.sub,
    "times": operator.mul,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_SIGNS = ("+", "-", "*")
_BEFORE, _AFTER = "\n\nQ: What is ", "?\n\nA:"
# The published file has no zero; the paper speaks of numbers of one digit.
_SMALLEST = {"first": 1, "last": 0}

# One problem in five is for demonstrations, the others are asked.
_SHARES = {"train": 1 / 5, "test": 4 / 5}
_COUNTS = {"train": 500, "test": 2000}


def arithmetic_records(
    task_name, count=None, seed=0, bracket="first", split="test"
):
    """Generate problems of arithmetic, in the published records' format.

    The numbers are uniform in [0, 10^digits). As in the published files no
    problem comes twice. The first records do not depend on how many are
    requested, and no problem is in both splits of a seed, so that no
    demonstration gives a tested answer away.
    """
    check_choice("task_name", task_name, ARITHMETIC_TASKS)
    check_choice("bracket", bracket, tuple(_SMALLEST))
    check_choice("split", split, tuple(_SHARES))
    count = _COUNTS[split] if count is None else count
    _check_count(count, task_name, bracket, split)
    # Two problems never have one context, so contexts stand for them.
    records = {}
    generator = random.Random(f"{task_name} {bracket} {split} {seed}")
    while len(records) < count:
        numbers, signs = _problem(task_name, bracket, generator)
        record = _record(numbers, signs, bracket)
        if _split_of(record["context"], seed) == split:
            records[record["context"]] = record
    return list(records.values())


def _problem(task_name, bracket, generator):
    """Draw the numbers of a problem and the signs between them."""
    if task_name == _THREE:
        smallest = _SMALLEST[bracket]
        numbers = [generator.randrange(smallest, 10) for _ in range(3)]
        return numbers, generator.choices(_SIGNS, k=2)
    digits, word = _TWO_NUMBERS[task_name]
    return [generator.randrange(10**digits) for _ in range(2)], [word]


def _record(numbers, signs, bracket):
    """The published format of a problem and its answer."""
    first, second, *third = numbers
    if not third:
        sign = signs[0]
        question = f"{first} {sign} {second}"
        answer = _OPERATIONS[sign](first, second)
    elif bracket == "first":
        question = f"({first} {signs[0]} {second}) {signs[1]} {third[0]}"
        inner = _OPERATIONS[signs[0]](first, second)
        answer = _OPERATIONS[signs[1]](inner, third[0])
    else:
        question = f"{first} {signs[0]} ({second} {signs[1]} {third[0]})"
        inner = _OPERATIONS[signs[1]](second, third[0])
        answer = _OPERATIONS[signs[0]](first, inner)
    context = _BEFORE + question + _AFTER
    return {"context": context, "completion": f" {answer}"}


def _split_of(context, seed):
    """The split of a problem: always the same, whatever else is drawn."""
    text = f"{seed} {context}".encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    is_training = int.from_bytes(digest) < _SHARES["train"] * 2**64
    return "train" if is_training else "test"


def _check_count(count, task_name, bracket, split):
    check_integer("count", count, minimum=1)
    if task_name == _THREE:
        problems = len(_SIGNS) ** 2 * (10 - _SMALLEST[bracket]) ** 3
    else:
        problems = 10 ** (2 * _TWO_NUMBERS[task_name][0])
    # A half, so that new problems stay easy to find.
    most = int(problems * _SHARES[split] / 2)
    if count > most:
        raise ValueError(
            f"count must be at most {most} for {task_name} and "
            f"split={echoed(split)}. Received: count={count}. Request fewer."
        )
