"""How a generated answer is scored against the accepted ones."""

import collections
import re
import string

from keras_gpt3.evaluation.metrics.drop_score import drop_exact_match
from keras_gpt3.evaluation.metrics.drop_score import drop_f1


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
    accepted answers counts.
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


# === Several people's answers, of which one is left out in turn ===
#
# An answer of one of them can be compared with those of the others alone. So
# that a model's is compared with as many, the scripts of CoQA and of QuAC
# leave out each in turn, and take the mean. Answers that two people gave stand
# among the references twice.


def coqa_f1(prediction, references):
    """Return F1 as CoQA's `evaluate-v1.0.py` has it (Reddy et al. 2019).

    The mean, over leaving out each person's answer, of the best SQuAD F1
    against the rest. A sole answer is not left out.
    """
    return _leave_one_out(squad_f1, prediction, references)


def coqa_exact_match(prediction, references):
    """Return what `coqa_f1` does, of exact matches."""
    return _leave_one_out(squad_exact_match, prediction, references)


def _leave_one_out(score, prediction, references):
    scores = [score(prediction, (text,)) for text in references or ("",)]
    if len(scores) == 1:
        return scores[0]
    rests = [_without(scores, place) for place in range(len(scores))]
    return sum(map(max, rests)) / len(rests)


def _without(items, place):
    return items[:place] + items[place + 1 :]


_CANNOT_ANSWER = "CANNOTANSWER"
# Questions on which people agree less do not count in QuAC's script.
_LEAST_AGREEMENT = 0.4


def quac_f1(prediction, references):
    """Return F1 as QuAC's `scorer.py` has it (Choi et al. 2018).

    Where at least half of the people say CANNOTANSWER, that word alone is
    right. Else F1 is against the answers of the others, of which each is left
    out in turn as in `coqa_f1`.
    """
    return _leave_one_out(_quac_f1, prediction, _heard(references))


def people_agree(references):
    """Return whether QuAC's `scorer.py` counts a question.

    It does if the F1 of people is 0.4 or more: the mean over those who are
    heard of the best against one of the others. One alone agrees.
    """
    heard = _heard(references)
    if len(heard) == 1:
        return True
    best = [
        _quac_f1(text, _without(heard, place))
        for place, text in enumerate(heard)
    ]
    return sum(best) / len(best) >= _LEAST_AGREEMENT


def _heard(references):
    """The answers of those who could give one, or that there is none."""
    texts = [text.strip() for text in references]
    answered = [text for text in texts if text != _CANNOT_ANSWER]
    return answered if 2 * len(answered) > len(texts) else [_CANNOT_ANSWER]


def _quac_f1(prediction, answers):
    return max(_quac_word_f1(prediction, answer) for answer in answers)


def _quac_word_f1(prediction, answer):
    if answer == _CANNOT_ANSWER:
        return float(prediction.strip() == answer)
    # SQuAD's, but that two texts without a word do not agree.
    return squad_f1(prediction, (answer,)) if normalize_answer(answer) else 0.0


_JUDGES = {
    "accuracy": squad_exact_match,
    "exact_match": plain_exact_match,
    "squad_exact_match": squad_exact_match,
    "f1": squad_f1,
}
_REFERENCE_JUDGES = {
    "drop_f1": drop_f1,
    "drop_exact_match": drop_exact_match,
    "coqa_f1": coqa_f1,
    "coqa_exact_match": coqa_exact_match,
    "quac_f1": quac_f1,
}
REFERENCE_METRICS = (*_REFERENCE_JUDGES,)
TEXT_METRICS = (*_JUDGES, *REFERENCE_METRICS)


def text_score(metric, text, example):
    """Score a generated answer.

    Where the example's answers do not hold, as of most of WSC's records, what
    is right is not to give them.
    """
    if metric in _REFERENCE_JUDGES:
        return _REFERENCE_JUDGES[metric](text, example.references)
    if metric not in _JUDGES:
        return None
    score = float(_JUDGES[metric](text, example.answers))
    return score if example.holds else 1.0 - score
