"""Whether an answer is exactly an accepted one."""

from keras_gpt3.evaluation.squad_f1 import normalize_answer


def plain_exact_match(prediction, answers):
    """Tells whether an answer is an accepted one, but for space around it.

    For arithmetic and word scrambling, where each letter and sign counts.

    Args:
        prediction: string.
        answers: sequence of strings. The accepted answers.

    Returns:
        1.0 or 0.0.

    Example:

    ```python
    from keras_gpt3.evaluation.exact_match import plain_exact_match

    plain_exact_match(" -3\\n", (" -3",))  # 1.0
    ```
    """
    text = prediction.strip()
    return float(any(text == answer.strip() for answer in answers))


def squad_exact_match(prediction, answers):
    """Tells whether an answer is an accepted one, both normalized.

    For questions such as TriviaQA's: case, punctuation, articles and white
    space do not count. Where nothing is accepted, an empty answer is right.

    Args:
        prediction: string.
        answers: sequence of strings. The accepted answers.

    Returns:
        1.0 or 0.0.

    Example:

    ```python
    from keras_gpt3.evaluation.exact_match import squad_exact_match

    squad_exact_match(" The Beatles.", ("Beatles",))  # 1.0
    ```
    """
    text = normalize_answer(prediction)
    accepted = answers or ("",)
    return float(any(text == normalize_answer(answer) for answer in accepted))
