"""A metric on all, on clean and on dirty examples, side by side."""

import dataclasses

import numpy as np

from keras_gpt3.evaluation.part_score import PartScore
from keras_gpt3.evaluation.part_score import part_score
from keras_gpt3.evaluation.uncertainty import bootstrap


@dataclasses.dataclass(frozen=True)
class ContaminationScores:
    """A row of the paper's Table C.1."""

    everything: PartScore
    clean: PartScore
    dirty: PartScore
    change: float | None
    change_interval: tuple | None


def contamination_scores(contamination, scores):
    """Compares what a model reached at clean and at all compared examples.

    Appendix C of Brown et al. 2020: if the clean examples alone do more than
    one or two percent worse than all, the model may have learnt some by heart;
    if they do much better, the dirty ones may just be harder. (The paper has
    "easier" here, with which they would do worse.) A metric that is no mean
    over examples, such as BLEU over a corpus, is replaced by the mean of the
    scores that are given.
    """
    values = np.asarray(scores, "float64")
    is_clean = np.array(contamination.is_clean, "bool")
    is_dirty = np.array(contamination.is_dirty, "bool")
    if values.shape != is_clean.shape:
        raise ValueError(
            "There must be one score for each example. Received: scores of "
            f"shape {values.shape}, for {len(is_clean)} examples. Pass the "
            "scores of the same evaluation set."
        )
    compared = is_clean | is_dirty
    change, change_interval = _change(values[compared], is_clean[compared])
    return ContaminationScores(
        everything=part_score(values[compared]),
        clean=part_score(values[is_clean]),
        dirty=part_score(values[is_dirty]),
        change=change,
        change_interval=change_interval,
    )


def _change(values, is_clean):
    if not is_clean.any() or values.mean() == 0:
        return None, None
    change = 100 * (values[is_clean].mean() / values.mean() - 1)

    def changes(sums):
        total, clean_total, num_clean = sums.T
        # A resample may have no clean example, or none with a score.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (clean_total / num_clean) / (total / len(values))
        return 100 * (ratio - 1)

    rows = np.stack([values, values * is_clean, is_clean], axis=1)
    resampled = bootstrap(rows, changes)
    kept = resampled[np.isfinite(resampled)]
    return float(change), tuple(np.quantile(kept, [0.025, 0.975]).tolist())
