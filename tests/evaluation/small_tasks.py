"""Small tasks in the words that a small model's vocabulary knows."""

import numpy as np

from keras_gpt3.evaluation.task_definitions.task import Task

WORDS = ("the", "hello", "world", "12", "cat")


def choosing(**fields):
    """A task of three choices."""
    return Task(
        **{
            "name": "choosing",
            "title": "Choosing",
            "paper": "",
            "fields": {"q": "string", "choices": "list", "label": "integer"},
            "context": "{{ q }}",
            "target": "",
            "choices": "{{ choices }}",
            "label": "{{ label }}",
            "scoring": "per_token",
            "metrics": ("accuracy",),
            "shots": 2,
            "delimiter": "\n",
        }
        | fields
    )


def telling(**fields):
    """A task to be answered freely."""
    return Task(
        **{
            "name": "telling",
            "title": "Telling",
            "paper": "",
            "fields": {"q": "string", "a": "string"},
            "context": "{{ q }}",
            "target": "{{ a }}",
            "scoring": "generate",
            "metrics": ("exact_match",),
            "shots": 1,
            "delimiter": "\n",
            "max_new_tokens": 3,
        }
        | fields
    )


def choosing_records(count, seed=0):
    generator = np.random.default_rng(seed)
    return [
        {
            "q": " ".join(generator.choice(WORDS, size=2)),
            "choices": [" the", " world", " 12 hello"],
            "label": int(generator.integers(3)),
        }
        for _ in range(count)
    ]


def telling_records(count, seed=0):
    generator = np.random.default_rng(seed)
    return [
        {
            "q": " ".join(generator.choice(WORDS, size=1 + i % 3)),
            "a": " " + str(generator.choice(WORDS)),
        }
        for i in range(count)
    ]
