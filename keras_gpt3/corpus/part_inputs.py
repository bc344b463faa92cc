"""Finds the parts of a stage that was finished earlier."""

import json
import pathlib

from keras_gpt3.corpus.part_file import PART_SUFFIX
from keras_gpt3.corpus.stage import STAGE_NAME
from keras_gpt3.corpus.stage_input import StageInput
from keras_gpt3.corpus.stage_input import inputs_digest
from keras_gpt3.echoed_value import echoed


def part_inputs(folder):
    """Lists a stage's parts as inputs of the next one."""
    folder = pathlib.Path(folder)
    paths = sorted(folder.glob(f"*/part-*{PART_SUFFIX}"), key=_place)
    if not paths or not (folder / STAGE_NAME).is_file():
        raise FileNotFoundError(
            "The input of a stage must be the folder of a finished one. "
            f"Received: folder='{folder}' with {len(paths)} parts and "
            f"{'a' if (folder / STAGE_NAME).is_file() else 'no'} {STAGE_NAME}. "
            "Run the stage before, or correct the path."
        )
    inputs = [
        StageInput(path.parent.name, str(path), _digest(path)) for path in paths
    ]
    stage = json.loads((folder / STAGE_NAME).read_bytes())
    if stage.get("outputs") != inputs_digest(inputs):
        raise FileNotFoundError(
            "The input of a stage must have all parts of the stage before. "
            f"Received: folder='{folder}' with {len(paths)} parts, which are "
            f"not those of its {STAGE_NAME}. Run the stage before again."
        )
    return inputs


def _place(path):
    """By number: part-100000 comes after part-99999."""
    number = path.name.removesuffix(PART_SUFFIX).removeprefix("part-")
    return path.parent.name, int(number)


def _digest(path):
    counts = path.with_name(path.name.removesuffix(PART_SUFFIX) + ".json")
    try:
        return json.loads(counts.read_bytes())["digest"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "A part must have its counts beside it. Received: "
            f"file='{counts}' ({echoed(error)}). Run the stage that wrote it "
            "again."
        ) from error
