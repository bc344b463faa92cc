"""BLEU, from counts of each example that can be added up."""

import numpy as np

from keras_gpt3.needed_packages import needed_packages

# Of sacrebleu: the longest n-gram.
_ORDER = 4


def bleu_counts(predictions, references):
    """Counts the n-grams of each translation that BLEU is computed from."""
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
    """Returns the BLEU of added-up counts, as sacrebleu's `corpus_bleu`."""
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
