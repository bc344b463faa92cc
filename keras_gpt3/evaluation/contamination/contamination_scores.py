"""A metric on all, on clean and on dirty examples, side by side."""

import dataclasses
import pathlib

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import parse_json_line
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval


@dataclasses.dataclass(frozen=True)
class PartScore:
    """The mean score of a part of the examples."""

    num_examples: int
    value: float | None
    interval: tuple | None


def part_score(scores, seed=0):
    """Compute the mean of scores, with its interval."""
    if not len(scores):
        return PartScore(0, None, None)
    interval = mean_interval(scores, seed=seed)
    return PartScore(len(scores), float(np.mean(scores)), interval)


@dataclasses.dataclass(frozen=True)
class ContaminationScores:
    """A row of the paper's Table C.1."""

    everything: PartScore
    clean: PartScore
    dirty: PartScore
    change: float | None
    change_interval: tuple | None


def contamination_scores(contamination, scores):
    """Compare what a model reached at clean and at all compared examples.

    Appendix C of Brown et al. 2020: if the clean examples alone do more than
    one or two percent worse than all, the model may have learnt some by heart;
    if they do much better, the dirty ones may just be harder. (The paper has
    "easier" here, with which they would do worse.) A metric that is not a mean
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


def read_outcome_scores(path, sets):
    """Read a file that `OutcomeCache` wrote."""
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(
            f"A file of outcomes must exist. Received: file='{path}'. Name a "
            "file of the folder outcomes that an evaluation wrote."
        )
    first, *lines = pathlib.Path(path).read_bytes().split(b"\n")
    # What ends with a line break has nothing after it.
    cut = lines.pop() if lines else b""
    task = _task(first, path)
    if task not in sets:
        raise ValueError(
            "Outcomes must be of a task that is compared. Received: "
            f"file='{path}', of {task}. Add the task, or leave the file out."
        )
    digests = [example.digest for example in sets[task]]
    scores = dict(
        _scored(line, f"file='{path}', line={number}", digests)
        for number, line in enumerate(lines, start=2)
    )
    if len(scores) < len(digests):
        missing = next(i for i in range(len(digests)) if i not in scores)
        raise ValueError(
            "A file of outcomes must have a score for each example. Received: "
            f"file='{path}', with {len(scores):,} of {len(digests):,}"
            f"{', its last line cut' if cut else ''}, without example "
            f"{missing}. Let the evaluation end, without a limit, or leave the "
            "file out."
        )
    return task, [scores[i] for i in range(len(digests))]


def _task(line, path):
    """The task that the first line says the file is of."""
    try:
        return str(parse_json_line(line)["task"])
    # ValueError: no JSON or no UTF-8; the others: another content.
    except (ValueError, TypeError, KeyError) as error:
        raise _no_outcomes(f"file='{path}', line=1", error) from error


def _scored(line, where, digests):
    """The number of an example, and its score."""
    try:
        outcome = parse_json_line(line)
        index, digest = int(outcome["index"]), outcome.get("example")
        score = outcome["correct"]
        score = None if score is None else float(score)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_outcomes(where, error) from error
    if score is None:
        raise ValueError(
            f"Outcomes must have scores. Received: {where} without one. Leave "
            "out the file of a task that has no score."
        )
    if digests[index : index + 1] != [digest]:
        raise ValueError(
            "Outcomes must be of the examples that are compared. Received: "
            f"{where}, of another example than number {index}. Give the data "
            "and the seed that were evaluated, or leave the file out."
        )
    return index, score


def _no_outcomes(where, error):
    return ValueError(
        "A file of outcomes must be one that an evaluation wrote. Received: "
        f"{where} ({echoed(error)}). Name a file of its folder outcomes."
    )
