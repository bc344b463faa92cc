"""What of a training split stands in a prompt as a demonstration."""

import dataclasses


def demonstration_examples(examples):
    """Makes the demonstrations of a training split.

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
