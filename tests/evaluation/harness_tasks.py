"""Tasks of lm-evaluation-harness on a few local records."""

import pathlib

from lm_eval.api.instance import Instance

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "harness"
NAMES = ("keras_gpt3_choices", "keras_gpt3_answers", "keras_gpt3_texts")


def write_tasks(folder):
    """Writes the tasks' files with the place of their records."""
    for path in FOLDER.glob("*.yaml"):
        text = path.read_text("utf-8").replace("FOLDER", str(FOLDER))
        (folder / path.name).write_text(text, "utf-8")
    return str(folder)


def requests(kind, *arguments):
    """What the harness hands to a model."""
    return [Instance(kind, {}, args, i) for i, args in enumerate(arguments)]
