"""The package's stage `dedup` over parts of documents, in one process."""

import pathlib
import tempfile
import time

from harness.light_package import use_light_package
from harness.process_memory import resident_bytes
from harness.side_server import serve

use_light_package()

from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.dedup.dedup_stage import dedup_stage
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import StageInput


def build(folder):
    """Finds the parts.

    Args:
        folder: string. Of parts `*.jsonl.zst`.

    Returns:
        A pair of the step, a callable, and a dict of facts.
    """
    paths = sorted(pathlib.Path(folder).glob("*.jsonl.zst"))
    inputs = [StageInput.of_file("web", str(path)) for path in paths]

    _load()
    return lambda: _dedup(inputs), {"bytes_before": resident_bytes()}


def _load():
    """Does it once, with two documents: imports are no part of the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder, "part-00000.jsonl.zst"))
        with written_part(path) as write:
            for name in "ab":
                write(Document(name, "web", "Once upon a time"))
        _dedup([StageInput("web", path, "1f")])


def _dedup(inputs):
    with tempfile.TemporaryDirectory() as out:
        start = time.process_time()
        stage = dedup_stage(DedupSection(), inputs, out, verbose=False)
        seconds = time.process_time() - start
        dropped = stage.totals["all"].get("dropped", {})
    return {"cpu_seconds": seconds, "dropped": sum(dropped.values())}


if __name__ == "__main__":
    serve(build, "keras-gpt3", "apache-beam", "numpy", "scikit-learn")
