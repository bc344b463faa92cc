"""The records of a task that is generated."""

from keras_gpt3.evaluation.arithmetic import arithmetic_records
from keras_gpt3.evaluation.choice_argument import check_choice
from keras_gpt3.evaluation.word_scrambling import word_scrambling_records

_GENERATORS = {
    "arithmetic": arithmetic_records,
    "word_scrambling": word_scrambling_records,
}


def synthetic_records(task, split="test", seed=0):
    """Generates the records of a synthetic task (section 3.9 of the paper).

    Args:
        task: `Task`. Its `generator` is `"arithmetic"` or
            `"word_scrambling"`, its name that of one of their tasks.
        split: string. `"test"`, or `"train"` for demonstrations. Defaults to
            `"test"`.
        seed: int. Defaults to `0`.

    Returns:
        A list of dicts of the strings `"context"` and `"completion"`.

    Raises:
        ImportError: If words are needed and wordfreq is not installed.
        ValueError: If the task has no such generator, or the generator no such
            task.

    Example:

    ```python
    from keras_gpt3.evaluation.synthetic_records import synthetic_records
    from keras_gpt3.evaluation.task import Task

    task = Task(
        name="five_digit_addition",
        title="5D+",
        paper="Table 3.9",
        fields={"context": "string", "completion": "string"},
        context="{{ context }}",
        target="{{ completion }}",
        scoring="generate",
        metrics=("exact_match",),
        shots=50,
        generator="arithmetic",
    )
    assert len(synthetic_records(task)) == 2000
    ```
    """
    check_choice("generator", task.generator, tuple(_GENERATORS))
    return _GENERATORS[task.generator](task.name, split=split, seed=seed)
