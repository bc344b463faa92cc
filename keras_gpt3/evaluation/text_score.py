"""How an answer in words is judged against the accepted ones."""

from keras_gpt3.evaluation.exact_match import plain_exact_match
from keras_gpt3.evaluation.exact_match import squad_exact_match
from keras_gpt3.evaluation.squad_f1 import squad_f1

_JUDGES = {
    "accuracy": squad_exact_match,
    "exact_match": plain_exact_match,
    "squad_exact_match": squad_exact_match,
    "f1": squad_f1,
}


def text_score(metric, text, example):
    """Judges an answer by itself.

    Where the example's answers do not hold, as of most of WSC's records, what
    is right is not to give them.
    """
    if metric not in _JUDGES:
        return None
    score = float(_JUDGES[metric](text, example.answers))
    return score if example.holds else 1.0 - score
