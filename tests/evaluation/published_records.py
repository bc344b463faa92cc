"""Lines of the files that the paper's authors published."""

import json
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "tasks"


def published(task_name):
    """The records of a task that stand in the fixtures."""
    lines = (FOLDER / f"published_{task_name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in lines.splitlines()]
