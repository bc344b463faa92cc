"""The paper's Table C.1, as data."""

import dataclasses
import functools
import importlib.resources

from keras_gpt3.needed_packages import needed_packages

# The others are printed in percent.
_BLEU = "bleu-sb"
_SCORES = ("score", "dirty_score", "clean_score")


@dataclasses.dataclass(frozen=True)
class PublishedContamination:
    """A row of Table C.1; scores but BLEU are shares, as those of outcomes.

    `percent_clean` and `change` are as printed. The change, "Relative
    Difference Clean vs All", is not of the score of all: it fits in every row
    if it is of the mean of both scores, 200 (clean - all) / (clean + all), and
    in two, QuAC's and DROP's, only so. What is printed as MultiRC's "acc",
    74.2, seems to be F1 over all answers: of that Table H.1 has 74.8, of
    accuracy 32.5.
    """

    task: str
    name: str
    split: str
    metric: str
    n: int
    score: float
    num_examples: int
    dirty_score: float | None
    num_dirty: int
    clean_score: float
    num_clean: int
    percent_clean: int
    change: int


def published_contamination(tasks):
    """Find the rows of tasks, by the tasks' names; some may have none."""
    table = published_contamination_table()
    return {name: table[name] for name in tasks if name in table}


@functools.cache
def published_contamination_table():
    """Read all rows, by the names of their tasks, from dirtiest to cleanest."""
    need = "The paper's values must be read with PyYAML"
    with needed_packages(need, "evaluate"):
        import yaml
    folder = importlib.resources.files("keras_gpt3.evaluation")
    file = folder / "contamination" / "table_c1.yaml"
    rows = map(_row, yaml.safe_load(file.read_text("utf-8")))
    return {row.task: row for row in rows}


def _row(fields):
    scale = 1 if fields["metric"] == _BLEU else 100
    scores = {name: fields[name] for name in _SCORES}
    shares = {
        name: None if score is None else score / scale
        for name, score in scores.items()
    }
    return PublishedContamination(**fields | shares)
