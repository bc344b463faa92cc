"""Cuts what evaluation texts hold out of a document (Appendix C)."""

import dataclasses
import functools
import json

import numpy as np

from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.pipeline.stage import json_digest
from keras_gpt3.corpus.read.decode_text import escaped_text
from keras_gpt3.data.ngrams import NgramIndex
from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.data.ngrams import word_spans


def find_ngrams(text, index):
    """Find the evaluation texts' n-grams in a document."""
    positions, numbers = index.find(normalized_words(text))
    if not len(positions):
        # Most documents: their words need not be found again.
        return [], []
    spans = word_spans(text)
    last = index.n - 1
    places = [(spans[i][0], spans[i + last][1]) for i in positions.tolist()]
    return places, numbers.tolist()


def common_ngrams(counts, max_documents):
    """Find the n-grams of the language, not of an evaluation set.

    The paper ignores those that more than 10 training documents hold: "common
    cultural phrases, legal boilerplate, or similar content".
    """
    return frozenset(i for i, count in counts.items() if count > max_documents)


def cut(text, places, *, window=200, min_characters=200, max_pieces=10):
    """Cut places out of a text, and some characters on either side.

    Places that overlap, or whose sides do, are one cut. A cut ends where the
    text does. Pieces are counted before the short ones go: the paper drops
    documents "split into more than 10 pieces".
    """
    if not places:
        # A document, not a piece of one: it stays, however short.
        return 1, [text]
    kept = _pieces(len(text), _merged(places, window, len(text)))
    if len(kept) > max_pieces:
        return len(kept), []
    return len(kept), [
        text[start:end] for start, end in kept if end - start >= min_characters
    ]


def _merged(places, window, length):
    """Windows around places, those that touch joined; ascending."""
    starts, ends = np.array(places).T
    starts = np.maximum(starts - window, 0)
    ends = np.minimum(ends + window, length)
    # A cut begins where no earlier one reaches.
    is_new = np.ones(len(starts), "bool")
    is_new[1:] = starts[1:] > np.maximum.accumulate(ends)[:-1]
    first = np.flatnonzero(is_new)
    return list(
        zip(
            starts[first].tolist(),
            np.maximum.reduceat(ends, first).tolist(),
            strict=True,
        )
    )


def _pieces(length, cuts):
    """What lies between cuts, but for nothing."""
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), length]
    pairs = zip(starts, ends, strict=True)
    return [(start, end) for start, end in pairs if start < end]


@dataclasses.dataclass(frozen=True)
class EvaluationTexts:
    """Texts, and what each is called where it was found in a corpus."""

    names: list
    texts: list

    @property
    def digest(self):
        """string. Another one for other texts."""
        return json_digest(self.texts)

    def num_shorter(self, num_words):
        """Count the texts that hold no n-gram."""
        words = map(normalized_words, self.texts)
        return sum(len(text) < num_words for text in words)

    def write(self, path):
        """Write them as JSON, for worker processes."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path):
        """Read what `write` wrote."""
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))


@functools.lru_cache(maxsize=1)
def evaluation_index(path, ngram, digest):
    """Read evaluation texts as an index, once a process and digest."""
    evaluation = EvaluationTexts.read(path)
    words = map(normalized_words, evaluation.texts)
    return NgramIndex(words, ngram), evaluation.names


def read_evaluation_texts(settings):
    """Read the texts that a config names."""
    # Not in workers, which read what is written here.
    from keras_gpt3.evaluation.contamination.contamination import (
        read_scored_texts,
    )
    from keras_gpt3.evaluation.task_definitions.task_data import (
        compared_examples,
    )
    from keras_gpt3.evaluation.task_definitions.task_file import find_tasks

    sets = {path: read_scored_texts(path)[0] for path in settings.texts}
    for task in find_tasks(settings.tasks) if settings.tasks else ():
        found = compared_examples(task, settings.splits, settings.data)
        for name, examples in found.items():
            sets[name] = [example.demonstration for example in examples]
    if not sets and settings.tasks:
        raise ValueError(
            "A task must have one of decontaminate.splits. Received: "
            f"splits={list(settings.splits)}, of which these tasks have none. "
            "Add test."
        )
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
