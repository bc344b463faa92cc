"""DROP's own scores (Dua et al. 2019): of numbers, and of spans in pairs."""

import re
import string

import numpy as np

from keras_gpt3.needed_packages import needed_packages


def drop_f1(prediction, references):
    """Return how far an answer agrees with the best of people's answers.

    The rule is that of DROP's evaluation, `drop_eval.py` of
    allennlp-reading-comprehension. Answers are one span, a string, or several.
    Each span of one answer is paired with one of the other at most, so that
    the sum of F1 over the pairs is the highest; what has no partner counts as
    0 in the mean. F1 is of the sets of words of two normalized spans, and 0
    where a reference's numbers have none in common with the prediction's. The
    score has two decimals.
    """
    return _best(_paired_f1, prediction, references)


def drop_exact_match(prediction, references):
    """Return whether the spans are those that some person gave."""
    return _best(_is_same, prediction, references)


def _best(score, prediction, references):
    """The best over the references; one that begins empty does not count."""
    predicted = [normalize_span(span) for span in _spans(prediction)]
    scores = [0.0]
    for reference in map(_spans, references):
        if reference[0].strip():
            spans = [normalize_span(span) for span in reference]
            scores.append(score(predicted, spans))
    return max(scores)


def _spans(answer):
    return (answer,) if isinstance(answer, str) else tuple(answer)


_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_span(text):
    """Reduce a span to what DROP compares.

    Words end at spaces and hyphens. Each is lowercased; a number is written
    as a float, "12" as "12.0"; of others punctuation is stripped, after which
    "1,000" is a number as well. Articles are taken out.
    """
    words = []
    for word in re.split("[ -]", text.lower()):
        if not _is_number(word):
            word = word.translate(_PUNCTUATION)
        if _is_number(word):
            word = str(float(word))
        words += _ARTICLES.sub(" ", word).split()
    return " ".join(words)


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_same(predicted, spans):
    """Whether the spans are the same, in whatever order."""
    is_same = set(predicted) == set(spans) and len(predicted) == len(spans)
    return float(is_same)


def _paired_f1(predicted, spans):
    need = "Spans must be paired by scipy"
    with needed_packages(need, "evaluate"):
        from scipy.optimize import linear_sum_assignment
    scores = np.array(
        [
            [_set_f1(set(one.split()), set(other.split())) for one in predicted]
            for other in spans
        ]
    )
    pairs = linear_sum_assignment(scores, maximize=True)
    mean = scores[pairs].sum() / max(scores.shape)
    return float(np.round(mean, 2))


def _set_f1(predicted, reference):
    """F1 of two sets of words, 0 where their numbers are others."""
    numbers = set(filter(_is_number, reference))
    if numbers and not numbers & predicted:
        return 0.0
    common = len(predicted & reference)
    if not common:
        return float(not predicted and not reference)
    # By precision and recall: another order of the same operations makes
    # another score of a mean that lies between two roundings.
    precision, recall = common / len(predicted), common / len(reference)
    return 2 * precision * recall / (precision + recall)
