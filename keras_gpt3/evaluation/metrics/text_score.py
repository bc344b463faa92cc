"""How a generated answer is scored against the accepted ones."""

import collections
import re
import string


def plain_exact_match(prediction, answers):
    """Return whether an answer is accepted, but for space around it.

    For arithmetic and word scrambling, where each letter and sign counts.
    """
    text = prediction.strip()
    return float(any(text == answer.strip() for answer in answers))


def squad_exact_match(prediction, answers):
    """Return whether an answer is accepted, both normalized.

    For questions such as TriviaQA's: case, punctuation, articles and white
    space do not count. Where nothing is accepted, an empty answer is right.
    """
    text = normalize_answer(prediction)
    accepted = answers or ("",)
    return float(any(text == normalize_answer(answer) for answer in accepted))


_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text):
    """Reduce an answer to what SQuAD compares.

    It is lowercased; punctuation, the articles a, an and the, and all white
    space but single spaces between words are stripped.
    """
    text = text.lower().translate(_PUNCTUATION)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def squad_f1(prediction, answers):
    """Return how far the words of an answer agree with an accepted one.

    F1 is the harmonic mean of precision and recall over the words of the two
    normalized texts, counted as often as they occur. The best over the
    accepted answers counts. SQuADv2, DROP, CoQA and QuAC are all scored so.
    Their own scripts have more: DROP's pairs several spans and compares
    numbers, those of CoQA and QuAC leave out one of several people's answers
    in turn.
    """
    predicted = normalize_answer(prediction).split()
    return max(
        _word_f1(predicted, normalize_answer(text).split())
        for text in answers or ("",)
    )


def _word_f1(predicted, accepted):
    if not predicted or not accepted:
        return float(predicted == accepted)
    common = collections.Counter(predicted) & collections.Counter(accepted)
    # 2 P R / (P + R), with P and R of the same number of common words.
    return 2 * common.total() / (len(predicted) + len(accepted))


_JUDGES = {
    "accuracy": squad_exact_match,
    "exact_match": plain_exact_match,
    "squad_exact_match": squad_exact_match,
    "f1": squad_f1,
}


def text_score(metric, text, example):
    """Score a generated answer.

    Where the example's answers do not hold, as of most of WSC's records, what
    is right is not to give them.
    """
    if metric not in _JUDGES:
        return None
    score = float(_JUDGES[metric](text, example.answers))
    return score if example.holds else 1.0 - score
