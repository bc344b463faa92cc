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

    Args:
        num_examples: int. Examples in the training split.
        shots: int. K, how many demonstrations to draw.
        seed: int.
        index: int. Of the tested example, which then has demonstrations of its
            own; the same for examples that are to share a draw.
        task_name: string. So that tasks differ in their draws. Defaults to
            `""`.
        exclude: container of ints. Examples not to draw: the tested one
            itself, where both are of one split, as LAMBADA's and Winograd's
            are. Others take their place. Defaults to `()`.
        source: string. What the training examples were read from, for the
            message. Defaults to `"the training split"`.

    Returns:
        A list of `shots` different ints below `num_examples`.

    Raises:
        ValueError: If there are fewer examples than `shots`.

    Example:

    ```python
    from keras_gpt3.evaluation.demonstrations import draw

    draw(2000, shots=3, seed=0, index=0, task_name="two_digit_addition")
    ```
    """
    check_integer("shots", shots, minimum=0)
    check_shots(shots, num_examples - len(exclude), source)
    generator = random.Random(f"{task_name} {seed} {index}")
    numbers = _permutation(num_examples, generator)
    others = (number for number in numbers if number not in exclude)
    return list(itertools.islice(others, shots))


def check_shots(shots, available, source, is_default=False):
    """Raises where there are not as many examples as shots.

    Args:
        shots: int. K.
        available: int. Examples that may be drawn.
        source: string. What they were read from, for the message.
        is_default: bool. Whether the task brought K, which the message then
            says. Defaults to `False`.

    Raises:
        ValueError: If `shots` is above `available`.

    Example:

    ```python
    from keras_gpt3.evaluation.demonstrations import check_shots

    check_shots(32, available=100, source="piqa/train.jsonl")
    ```
    """
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
