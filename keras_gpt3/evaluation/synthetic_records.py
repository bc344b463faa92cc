"""The records of a task that is generated."""

from keras_gpt3.evaluation.arithmetic import arithmetic_records
from keras_gpt3.evaluation.choice_argument import check_choice
from keras_gpt3.evaluation.word_scrambling import word_scrambling_records

_GENERATORS = {
    "arithmetic": arithmetic_records,
    "word_scrambling": word_scrambling_records,
}


def synthetic_records(task, split="test", seed=0):
    """Generates the records of a synthetic task (section 3.9 of the paper)."""
    check_choice("generator", task.generator, tuple(_GENERATORS))
    return _GENERATORS[task.generator](task.name, split=split, seed=seed)
