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
    """Texts, and what each is called where it was found in a corpus.

    Args:
        names: list of strings. Such as `"piqa, example 3"`.
        texts: list of strings.

    Example:

    ```python
    from keras_gpt3.corpus.evaluation_texts import EvaluationTexts

    texts = EvaluationTexts(["riddle"], ["What has roots as nobody sees?"])
    texts.write("evaluation.json")
    EvaluationTexts.read("evaluation.json") == texts  # True
    ```
    """

    names: list
    texts: list

    @property
    def digest(self):
        """string. Another one for other texts."""
        content = json.dumps(self.texts).encode()
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def num_shorter(self, num_words):
        """Counts the texts that hold no n-gram.

        Args:
            num_words: int. Of an n-gram.

        Returns:
            An int.
        """
        words = map(normalized_words, self.texts)
        return sum(len(text) < num_words for text in words)

    def write(self, path):
        """Writes them as JSON, for worker processes.

        Args:
            path: path.
        """
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path):
        """Reads what `write` wrote.

        Args:
            path: path.

        Returns:
            An `EvaluationTexts`.
        """
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))


@functools.lru_cache(maxsize=1)
def evaluation_index(path, ngram, digest):
    """Reads evaluation texts as an index, once a process.

    Args:
        path: string. As `EvaluationTexts.write` wrote it.
        ngram: int. Words in an n-gram.
        digest: string. Of the texts.

    Returns:
        A pair of an `NgramIndex` and the list of the texts' names.

    Example:

    ```python
    from keras_gpt3.corpus.evaluation_texts import EvaluationTexts
    from keras_gpt3.corpus.evaluation_texts import evaluation_index

    texts = EvaluationTexts(["riddle"], ["What has roots as nobody sees?"])
    texts.write("evaluation.json")
    index, names = evaluation_index("evaluation.json", 3, texts.digest)
    index.num_ngrams  # 4
    ```
    """
    evaluation = EvaluationTexts.read(path)
    words = map(normalized_words, evaluation.texts)
    return NgramIndex(words, ngram), evaluation.names


def read_evaluation_texts(settings):
    """Reads the texts that a config names.

    Args:
        settings: `DecontaminateSection`.

    Returns:
        An `EvaluationTexts`. The text of a task's example is its context with
        the right answer; those of the test split are taken.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a task is unknown, or a file or a record is damaged, or
            there is nothing to read.

    Example:

    ```python
    import json
    import pathlib

    from keras_gpt3.corpus.decontaminate_section import DecontaminateSection
    from keras_gpt3.corpus.evaluation_texts import read_evaluation_texts

    riddle = "Which of the seven hills of Rome is the highest of them all?"
    pathlib.Path("riddles.jsonl").write_text(json.dumps({"text": riddle}))
    settings = DecontaminateSection(texts=["riddles.jsonl"])
    read_evaluation_texts(settings).names  # ["riddles.jsonl, 0"]
    ```
    """
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
