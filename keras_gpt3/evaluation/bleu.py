"""BLEU, from counts of each example that can be added up."""

import numpy as np

from keras_gpt3.needed_packages import needed_packages

# Of sacrebleu: the longest n-gram.
_ORDER = 4


def bleu_counts(predictions, references):
    """Counts the n-grams of each translation that BLEU is computed from.

    Args:
        predictions: sequence of strings. They should not be tokenized.
        references: sequence of sequences of strings. The accepted translations
            of each, one at least.

    Returns:
        An int64 array `(examples, 10)`: the words of the prediction, those of
        the nearest reference, the n-grams of 1 to 4 words that agree, all
        n-grams of the prediction. Rows may be added up, as the bootstrap does.

    Raises:
        ImportError: If sacrebleu is not installed.
        ValueError: If there are no references for a prediction.

    Example:

    ```python
    from keras_gpt3.evaluation.bleu import bleu_counts

    bleu_counts(["the cat"], [["the cat sat"]])
    # array([[2, 3, 2, 1, 0, 0, 2, 1, 0, 0]])
    ```
    """
    if len(predictions) != len(references) or not all(references):
        raise ValueError(
            "Each prediction must have at least one reference. Received: "
            f"{len(predictions)} predictions, references of lengths "
            f"{[len(texts) for texts in references]}. Give one for each."
        )
    # Without an effective order it would log a warning; counts do not differ.
    bleu = _import_sacrebleu().BLEU(effective_order=True)
    rows = []
    for prediction, texts in zip(predictions, references, strict=True):
        score = bleu.sentence_score(prediction, list(texts))
        lengths = [score.sys_len, score.ref_len]
        rows.append([*lengths, *score.counts, *score.totals])
    return np.array(rows, np.int64).reshape(-1, 2 + 2 * _ORDER)


def bleu_of_counts(sums):
    """Returns the BLEU of added-up counts, as sacrebleu's `corpus_bleu`.

    Args:
        sums: array `(..., 10)`. Sums over rows of `bleu_counts`.

    Returns:
        A float64 array `(...)`, from 0 to 100.

    Raises:
        ImportError: If sacrebleu is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.bleu import bleu_counts
    from keras_gpt3.evaluation.bleu import bleu_of_counts

    counts = bleu_counts(["it is so", "yes"], [["it is so"], ["no"]])
    bleu_of_counts(counts.sum(axis=0))
    ```
    """
    compute = _import_sacrebleu().BLEU.compute_bleu
    rows = np.asarray(sums)
    scores = [
        compute(
            correct=row[2 : 2 + _ORDER],
            total=row[2 + _ORDER :],
            sys_len=row[0],
            ref_len=row[1],
            smooth_method="exp",  # The default of corpus_bleu.
        ).score
        for row in rows.reshape(-1, rows.shape[-1]).tolist()
    ]
    return np.array(scores, np.float64).reshape(rows.shape[:-1])


def _import_sacrebleu():
    with needed_packages(
        "BLEU must come from the package sacrebleu", "evaluate"
    ):
        import sacrebleu
    return sacrebleu.metrics
