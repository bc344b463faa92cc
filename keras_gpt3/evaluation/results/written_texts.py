"""Texts that a model wrote, to be read: one Markdown file of all of them."""

from keras_gpt3.atomic_write import atomic_write


def write_texts(path, name, written):
    """Write texts with what they continue, at once or not at all.

    `written` holds tuples of a task, K, the examples as often as they were
    continued, and outcomes in the same order.
    """
    lines = [f"# Texts by {name}", ""]
    for task, shots, examples, outcomes in written:
        lines += [f"## {task.title}, K = {shots}", "", _how(task), ""]
        previous = None
        for example, outcome in zip(examples, outcomes, strict=True):
            if example != previous:
                lines += _block(example.context)
            previous = example
            lines += ["Text:", "", *_block(outcome.predicted)]
    with atomic_write(path) as file:
        file.write("\n".join(lines).encode())


def _how(task):
    if task.sampling is None:
        return f"{task.paper}. By beam search of width 4."
    settings = ", ".join(f"{k} {v:g}" for k, v in task.sampling.items())
    return f"{task.paper}. Drawn with {settings}."


def _block(text):
    """Lines of a block that shows a text as it is."""
    return [*(f"    {line}" for line in text.splitlines() or [""]), ""]
