"""Which examples of an evaluation set the training text holds parts of."""

import dataclasses
import math
import numbers
import os

import numpy as np

from keras_gpt3.data.json_objects import read_json_objects
from keras_gpt3.data.ngrams import NgramIndex
from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.reporting.progress import ProgressBar

# Appendix C: "due to spurious collisions at lower values" and "for performance
# reasons".
SHORTEST, LONGEST = 8, 13
_PERCENTILE = 5


@dataclasses.dataclass(frozen=True)
class Contamination:
    """What was found out about one evaluation set."""

    n: int
    is_dirty: tuple
    is_short: tuple

    @property
    def num_dirty(self):
        """int. Examples with an n-gram of the training text."""
        return sum(self.is_dirty)

    @property
    def is_clean(self):
        """tuple of bools. Whether each was compared and has none."""
        pairs = zip(self.is_dirty, self.is_short, strict=True)
        return tuple(not (dirty or short) for dirty, short in pairs)

    @property
    def num_clean(self):
        """int. Examples that were compared and have none."""
        return sum(self.is_clean)

    @property
    def num_short(self):
        """int. Examples that could not be compared."""
        return sum(self.is_short)

    @property
    def share_clean(self):
        """float. The share of those compared; `None` if none could be."""
        compared = self.num_clean + self.num_dirty
        return self.num_clean / compared if compared else None


def check_contamination(
    evaluation_sets, documents, n=None, verbose="auto", synthetic=()
):
    """Compare evaluation sets with the text that a model was trained on.

    Section 4 and Appendix C of Brown et al. 2020: an example is dirty if any
    of its n-grams of words, lower-cased and without punctuation, is in any
    training document. N-grams of many documents count as well: the paper leaves
    those out only where it removes test sets from the training text. An
    example of fewer than `n` words has no n-gram, so that it cannot be
    compared: it is neither dirty nor clean (the paper "ignored" those of fewer
    than 8). All sets are compared in one pass; what is kept in memory is the
    sets and one document.

    What it cannot show: a shared n-gram may be of the background text of a
    question and not of its answer (the paper's false positives, as in SQuAD,
    which quotes Wikipedia), and text that was reworded or translated has
    none. The text of an `Example` is its context with the right answer, if
    it has one; the paper does not say what its texts are.
    """
    sets = {
        name: [_text(example) for example in examples]
        for name, examples in evaluation_sets.items()
    }
    # Not the words themselves: as strings they take ten times their text.
    num_words = {
        name: [len(normalized_words(text)) for text in texts]
        for name, texts in sets.items()
    }
    lengths = {
        name: _ngram_length(name, counts, n, name in synthetic)
        for name, counts in num_words.items()
    }
    dirty = {name: set() for name in sets}
    for name, number in _shared(sets, lengths, documents, verbose):
        dirty[name].add(number)
    return {
        name: Contamination(
            lengths[name],
            tuple(i in dirty[name] for i in range(len(texts))),
            tuple(count < lengths[name] for count in num_words[name]),
        )
        for name, texts in sets.items()
    }


def ngram_length(lengths, minimum=SHORTEST):
    """Choose the length of the n-grams for an evaluation set.

    Appendix C: the 5th percentile of the examples' length in words, at most 13
    and at least 8, but "on non-synthetic tasks" only: Table C.1 has 2 for
    scrambled words. (Its 7 for those with characters inserted comes of another
    reading of punctuation; here they have 2. Between two lengths it is the
    lower one.)
    """
    if not lengths:
        raise ValueError(
            "There must be at least one example. Received: lengths=[]. Leave "
            "the evaluation set out."
        )
    percentile = np.percentile(lengths, _PERCENTILE, method="lower")
    return int(np.clip(percentile, minimum, LONGEST))


def _ngram_length(name, lengths, n, is_synthetic):
    if not lengths:
        raise ValueError(
            "An evaluation set must have at least one example. Received: "
            f"{name} with none. Leave it out."
        )
    if n is not None:
        return n
    return ngram_length(lengths, 1 if is_synthetic else SHORTEST)


def _text(example):
    if isinstance(example, str):
        return example
    # A task of texts to be written may have no answer, WSC's may be wrong.
    has_answer = example.answers and example.holds
    return example.demonstration if has_answer else example.context


def _shared(sets, lengths, documents, verbose):
    """Yield name of a set and number of an example, maybe several times."""
    # Sets of one length share an index: a document is then looked at once.
    indexes = []
    for n in sorted(set(lengths.values())):
        names = [name for name in sets if lengths[name] == n]
        owners = [(name, i) for name in names for i in range(len(sets[name]))]
        words = (normalized_words(sets[name][i]) for name, i in owners)
        indexes.append((NgramIndex(words, n), owners))
    size = getattr(documents, "num_bytes", None)
    with ProgressBar("compare", size, verbose=verbose, unit="bytes") as bar:
        for count, document in enumerate(documents, start=1):
            words = normalized_words(document)
            for index, owners in indexes:
                _, numbers = index.find(words)
                for text in index.texts_of(numbers):
                    yield owners[text]
            read = 0 if size is None else documents.num_bytes_read
            bar.update(read, f"{count:,} documents compared")


def read_scored_texts(path):
    """Read a file of one example a line; empty lines are left out."""
    texts, scores = [], []
    for where, value in read_json_objects(os.fspath(path), "texts"):
        _check(value, where)
        texts.append(value["text"])
        scores.append((where, value.get("score")))
    if not texts:
        raise ValueError(
            "A file of texts must hold an example. Received: "
            f"file='{path}' with none. Write one object a line."
        )
    return texts, _complete(scores)


def _complete(scores):
    """The scores as floats; `None` where no line has one."""
    missing = [where for where, score in scores if score is None]
    if len(missing) == len(scores):
        return None
    if missing:
        raise ValueError(
            "Each line or none of a file of texts must have a score. Received: "
            f"{missing[0]} without one, as {len(missing)} of {len(scores)}. "
            "Add what is missing."
        )
    return [float(score) for _, score in scores]


def _check(value, where):
    reason = _fault(value)
    if reason:
        raise ValueError(
            'Each line must be a JSON object with a string "text" and perhaps '
            f'a finite number "score". Received: {where} ({reason}). Correct '
            "or remove it."
        )


def _fault(value):
    """What is wrong with the content of a line, or `None`."""
    text, score = value.get("text"), value.get("score")
    if "text" not in value:
        return "it has no text"
    if not isinstance(text, str):
        return f"its text is of type {type(text).__name__}"
    if score is None:
        return None
    if not isinstance(score, numbers.Real):
        return f"its score is of type {type(score).__name__}"
    return None if math.isfinite(score) else f"its score is {score}"
