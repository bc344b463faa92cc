"""The scores that the paper prints for its eight sizes (Table H.1)."""

import dataclasses
import functools
import importlib.resources

from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets

# A task's metric -> what the paper calls it, the most exact name first. Its
# "acc" stands for accuracy and, of free answers, for exact match.
_PRINTED = {
    "accuracy": ("acc",),
    "exact_match": ("em", "acc"),
    "squad_exact_match": ("em", "acc"),
    "f1": ("f1",),
    "macro_f1": ("f1",),
    "f1_answers": ("f1a",),
    "bleu": ("BLEU-sb",),
    "perplexity": ("ppl",),
    "average": ("average",),
}
# All others are printed in percent.
_AS_PRINTED = {"BLEU-sb", "BLEU-mb", "ppl"}


@dataclasses.dataclass(frozen=True)
class PublishedValues:
    """A row of Table H.1, in the units of `TaskResult`.

    Args:
        task: string. The name of the task.
        metric: string. As printed, such as `"acc"`.
        split: string. As printed: `"dev"`, `"test"` or `"n/a"`.
        source: string. The table or figure.
        zero_shot: tuple of floats, one a size in the order of `paper_sizes`.
        one_shot: tuple of floats.
        few_shot: tuple of floats.
        shots: int. K of `few_shot`.
        fine_tuned: float. The best fine-tuned model of the time. Defaults to
            `None`, where none is printed.
        test_server: float. Of 175B, few-shot, as a leaderboard judged it.
            Defaults to `None`.

    Example:

    ```python
    from keras_gpt3.evaluation.published_values import published_values

    values = published_values("lambada", "accuracy")
    values.of_shots(0)[-1]  # 0.762, of the largest size.
    values.curve(-1)  # ((0, 0.762), (1, 0.725), (15, 0.864))
    ```
    """

    task: str
    metric: str
    split: str
    source: str
    zero_shot: tuple
    one_shot: tuple
    few_shot: tuple
    shots: int
    fine_tuned: float | None = None
    test_server: float | None = None

    def of_shots(self, shots):
        """Picks the setting that a number of demonstrations belongs to.

        Args:
            shots: int. 0 is zero-shot, 1 one-shot, more few-shot.

        Returns:
            A tuple of floats, one a size.
        """
        return (self.zero_shot, self.one_shot, self.few_shot)[min(shots, 2)]

    def curve(self, size):
        """One size over the number of demonstrations.

        Args:
            size: int. Index into `paper_sizes`.

        Returns:
            A tuple of pairs of K and value.
        """
        return (
            (0, self.zero_shot[size]),
            (1, self.one_shot[size]),
            (self.shots, self.few_shot[size]),
        )


def published_values(task, metric):
    """Finds what the paper prints for a task.

    Args:
        task: string. The name of a task.
        metric: string. One of `task.METRICS`, or `"average"` of the group
            `"superglue"`.

    Returns:
        A `PublishedValues`, or `None` if the paper has none.

    Raises:
        ImportError: If PyYAML is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.published_values import published_values

    published_values("two_digit_addition", "exact_match").few_shot[-1]  # 1.0
    published_values("my_task", "accuracy")  # None
    ```
    """
    for printed in _PRINTED.get(metric, ()):
        if (task, printed) in published_table():
            return published_table()[task, printed]
    return None


@functools.cache
def published_table():
    """Reads all rows.

    Returns:
        A dict from pair of task and printed metric to `PublishedValues`.

    Raises:
        ImportError: If PyYAML is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.published_values import published_table

    published_table()["squadv2", "em"].shots  # 16
    ```
    """
    need = "The paper's values must be read with PyYAML"
    with needed_packages(need, "evaluate"):
        import yaml
    folder = importlib.resources.files("keras_gpt3.evaluation") / "published"
    table = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        for fields in yaml.safe_load(file.read_text("utf-8")):
            # Tasks that ask the same in another form are compared with it.
            for task in (fields["task"], *fields.pop("variants", ())):
                row = _row(fields | {"task": task})
                table[task, row.metric] = row
    return table


def paper_sizes():
    """The eight sizes that the values are of.

    Returns:
        A dict from preset name to number of parameters, as Table D.1 counts
        them, in rising order.

    Example:

    ```python
    from keras_gpt3.evaluation.published_values import paper_sizes

    paper_sizes()["gpt3_13b_en"]  # 12850000000
    ```
    """
    return {
        name: load_shipped_preset(name)["table_d1"]["parameters_millions"]
        * 10**6
        for name in shipped_presets()
    }


def _row(fields):
    """A row in which 1.0 is all right, if it is printed in percent."""
    scale = 1 if fields["metric"] in _AS_PRINTED else 100

    def scaled(value):
        if isinstance(value, list):
            return tuple(map(scaled, value))
        return value / scale if isinstance(value, float) else value

    return PublishedValues(**{k: scaled(v) for k, v in fields.items()})
