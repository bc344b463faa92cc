import re

import pytest

from keras_gpt3.evaluation.task_definitions.arithmetic import ARITHMETIC_TASKS
from keras_gpt3.evaluation.task_definitions.arithmetic import arithmetic_records
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_data import synthetic_records
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    SCRAMBLING_TASKS,
)
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    word_scrambling_records,
)

FIELDS = {"context": "string", "completion": "string"}
TASKS = [
    *((name, "arithmetic", arithmetic_records) for name in ARITHMETIC_TASKS),
    *(
        (name, "word_scrambling", word_scrambling_records)
        for name in SCRAMBLING_TASKS
    ),
]


def synthetic(name, generator):
    return Task(
        name=name,
        title=name,
        paper="",
        fields=FIELDS,
        context="{{ context }}",
        target="{{ completion }}",
        scoring="generate",
        metrics=("exact_match",),
        shots=50,
        generator=generator,
    )


@pytest.mark.parametrize(("name", "generator", "records"), TASKS)
def test_a_task_has_its_generator_s_records(name, generator, records):
    pytest.importorskip("wordfreq")
    task = synthetic(name, generator)
    for split in ("train", "test"):
        made = synthetic_records(task, split, seed=3)
        assert made == records(name, split=split, seed=3)
        assert made[0].keys() == FIELDS.keys()


@pytest.mark.parametrize(
    ("generator", "hint"),
    [
        (None, "Use one of these."),
        ("arithmetic_", "Did you mean 'arithmetic'?"),
    ],
)
def test_an_unknown_generator_is_named(generator, hint):
    message = (
        "generator must be one of arithmetic, word_scrambling. Received: "
        f"generator={generator!r}. {hint}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        synthetic_records(synthetic("two_digit_addition", generator))
