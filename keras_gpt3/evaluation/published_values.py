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
    """A row of Table H.1, in the units of `TaskResult`."""

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
        """Picks the setting that a number of demonstrations belongs to."""
        return (self.zero_shot, self.one_shot, self.few_shot)[min(shots, 2)]

    def curve(self, size):
        """One size over the number of demonstrations."""
        return (
            (0, self.zero_shot[size]),
            (1, self.one_shot[size]),
            (self.shots, self.few_shot[size]),
        )


def published_values(task, metric):
    """Finds what the paper prints for a task."""
    for printed in _PRINTED.get(metric, ()):
        if (task, printed) in published_table():
            return published_table()[task, printed]
    return None


@functools.cache
def published_table():
    """Reads all rows."""
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
    """The eight sizes that the values are of."""
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
