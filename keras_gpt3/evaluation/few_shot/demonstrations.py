"""Which training examples stand in a prompt, a function of the seed."""

import dataclasses
import itertools
import random

from keras_gpt3.argument_checks import check_integer


def draw(
    num_examples,
    shots,
    seed,
    index,
    task_name="",
    exclude=(),
    source="the training split",
):
    """Draw the demonstrations of a prompt from the training split.

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
    """Raise where there are not as many examples as shots."""
    if shots > available:
        whose = ", the task's own" if is_default else ""
        raise ValueError(
            "shots must be at most the number of examples to draw from. "
            f"Received: shots={shots}{whose}, with "
            f"{available} in {source}. Pass fewer shots or add examples."
        )


def _permutation(size, generator):
    """Yield the numbers below a size in random order, a draw for each."""
    # Fisher and Yates' shuffle of a list of which only the changes are kept.
    changed = {}
    for last in range(size - 1, -1, -1):
        place = generator.randrange(last + 1)
        yield changed.get(place, place)
        changed[place] = changed.get(last, last)


def demonstration_examples(examples):
    """Make the demonstrations of a training split.

    Examples of one group that share a context are one demonstration, with all
    of their answers: K of MultiRC counts questions (caption of Figure G.15).
    Those whose answers do not hold are left out.
    """
    groups = {}
    for number, example in enumerate(examples):
        if example.holds:
            group = number if example.group is None else example.group
            groups.setdefault((group, example.context), []).append(example)
    return [_joined(group) for group in groups.values()]


def _joined(group):
    """One example of a group, which shows all of its answers."""
    first = group[0]
    if len(group) == 1:
        return first
    answer = "".join(example.answers[0] for example in group)
    # It is shown, never asked: what it chooses among is of no use.
    return dataclasses.replace(
        first, answers=(answer,), choices=(), label=None, choice_names=()
    )
