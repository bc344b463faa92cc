"""The evaluation texts that a corpus must not hold."""

import dataclasses
import functools
import hashlib
import json

from keras_gpt3.corpus.readers.escaped_text import escaped_text
from keras_gpt3.data.ngram_index import NgramIndex
from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.replaced_file import write_json


@dataclasses.dataclass(frozen=True)
class EvaluationTexts:
    """Texts, and what each is called where it was found in a corpus."""

    names: list
    texts: list

    @property
    def digest(self):
        """string. Another one for other texts."""
        content = json.dumps(self.texts).encode()
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def num_shorter(self, num_words):
        """Counts the texts that hold no n-gram."""
        words = map(normalized_words, self.texts)
        return sum(len(text) < num_words for text in words)

    def write(self, path):
        """Writes them as JSON, for worker processes."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path):
        """Reads what `write` wrote."""
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))


@functools.lru_cache(maxsize=1)
def evaluation_index(path, ngram, digest):
    """Reads evaluation texts as an index, once a process."""
    evaluation = EvaluationTexts.read(path)
    words = map(normalized_words, evaluation.texts)
    return NgramIndex(words, ngram), evaluation.names


def read_evaluation_texts(settings):
    """Reads the texts that a config names."""
    # Not in workers, which read what is written here.
    from keras_gpt3.evaluation.scored_texts import read_scored_texts
    from keras_gpt3.evaluation.task_data import task_examples
    from keras_gpt3.evaluation.task_table import find_tasks

    sets = {path: read_scored_texts(path)[0] for path in settings.texts}
    for task in find_tasks(settings.tasks) if settings.tasks else ():
        examples = task_examples(task, "test", settings.data)
        sets[task.name] = [example.demonstration for example in examples]
    if not sets:
        raise ValueError(
            "Decontamination must have evaluation texts. Received: neither "
            "decontaminate.texts nor decontaminate.tasks. Name files or tasks, "
            "or leave the stage out."
        )
    return EvaluationTexts(
        [
            escaped_text(f"{name}, {i}")
            for name, texts in sets.items()
            for i in range(len(texts))
        ],
        [escaped_text(text) for texts in sets.values() for text in texts],
    )
