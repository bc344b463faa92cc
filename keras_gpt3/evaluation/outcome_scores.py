"""Reads what a model got for each example out of the results cache."""

import pathlib

from keras_gpt3.data.json_line import parse_json_line


def read_outcome_scores(path):
    """Reads a file that `OutcomeCache` wrote.

    Args:
        path: path.

    Returns:
        A pair of what the evaluation was of, a dict with its `"task"`, and a
        list of floats, one an example in the order of the split.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such file, or an example was left out or has
            no score.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation.outcome import Outcome
    from keras_gpt3.evaluation.outcome_cache import OutcomeCache
    from keras_gpt3.evaluation.outcome_scores import read_outcome_scores

    with OutcomeCache("cache", {"task": "anli_r1", "shots": 50}) as cache:
        cache.add([Outcome(0, shots=50, predicted=1, correct=0.0)])
    (path,) = pathlib.Path("cache").iterdir()
    read_outcome_scores(path)  # {"task": "anli_r1", ...}, [0.0]
    ```
    """
    try:
        lines = pathlib.Path(path).read_text("utf-8").splitlines()
        names, *outcomes = map(parse_json_line, lines)
        names["task"]
        scores = {outcome["index"]: outcome["correct"] for outcome in outcomes}
    # ValueError: no JSON, UTF-8 or line; the others: another content.
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            "A file of outcomes must be one that an evaluation wrote. "
            f"Received: file='{path}' ({error!r}). Name a file of its cache."
        ) from error
    values = [scores.get(i) for i in range(len(scores))]
    if None in values:
        raise ValueError(
            "A file of outcomes must have a score for each example. Received: "
            f"file='{path}', without one for example {values.index(None)}. Let "
            "the evaluation end, or leave the file out."
        )
    return names, list(map(float, values))
