"""Whether an answer is exactly an accepted one."""

from keras_gpt3.evaluation.squad_f1 import normalize_answer


def plain_exact_match(prediction, answers):
    """Tells whether an answer is an accepted one, but for space around it.

    For arithmetic and word scrambling, where each letter and sign counts.
    """
    text = prediction.strip()
    return float(any(text == answer.strip() for answer in answers))


def squad_exact_match(prediction, answers):
    """Tells whether an answer is an accepted one, both normalized.

    For questions such as TriviaQA's: case, punctuation, articles and white
    space do not count. Where nothing is accepted, an empty answer is right.
    """
    text = normalize_answer(prediction)
    accepted = answers or ("",)
    return float(any(text == normalize_answer(answer) for answer in accepted))
