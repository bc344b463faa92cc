"""Which training examples stand in a prompt, a function of the seed."""

import itertools
import random

from keras_gpt3.integer_argument import check_integer


def draw(
    num_examples,
    shots,
    seed,
    index,
    task_name="",
    exclude=(),
    source="the training split",
):
    """Draws the demonstrations of a prompt from the training split.

    The draw is a pure function of the task's name, the seed and the index.
    Fewer shots are the first of more, so that curves over K compare the same
    demonstrations.
    """
    check_integer("shots", shots, minimum=0)
    check_shots(shots, num_examples - len(exclude), source)
    generator = random.Random(f"{task_name} {seed} {index}")
    numbers = _permutation(num_examples, generator)
    others = (number for number in numbers if number not in exclude)
    return list(itertools.islice(others, shots))


def check_shots(shots, available, source, is_default=False):
    """Raises where there are not as many examples as shots."""
    if shots > available:
        whose = ", the task's own" if is_default else ""
        raise ValueError(
            "shots must be at most the number of examples to draw from. "
            f"Received: shots={shots}{whose}, with "
            f"{available} in {source}. Pass fewer shots or add examples."
        )


def _permutation(size, generator):
    """Yields the numbers below a size in random order, a draw for each."""
    # Fisher and Yates' shuffle of a list of which only the changes are kept.
    changed = {}
    for last in range(size - 1, -1, -1):
        place = generator.randrange(last + 1)
        yield changed.get(place, place)
        changed[place] = changed.get(last, last)
