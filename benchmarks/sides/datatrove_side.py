"""Datatrove's four steps of MinHash over a file of documents, in one process.

The steps are called as its executor calls them, without its start.
"""

import os
import pathlib
import shutil
import tempfile
import time

os.environ.setdefault("LOGURU_LEVEL", "ERROR")

from datatrove.pipeline.dedup import MinhashDedupBuckets
from datatrove.pipeline.dedup import MinhashDedupCluster
from datatrove.pipeline.dedup import MinhashDedupFilter
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from harness.side_server import serve

# The paper's numbers: 10 hashes of single words, here in 5 buckets.
CONFIG = MinhashConfig(n_grams=1, num_buckets=5, hashes_per_bucket=2)


class SpaceTokenizer:
    """Splits words at spaces: the least that a tokenizer can take."""

    def word_tokenize(self, text):
        return text.split()


def build(folder, side):
    """Finds the file.

    Args:
        folder: string. Of one file `*.jsonl`.
        side: string. `"words"`, or `"spaces"` for words split at spaces.

    Returns:
        A pair of the step, a callable, and a dict of facts.
    """

    def step():
        out = pathlib.Path(tempfile.mkdtemp())
        start = time.process_time()
        _run(folder, out, side)
        seconds = time.process_time() - start
        removed = (out / "removed" / "000000.remove").stat().st_size
        shutil.rmtree(out)
        return {"cpu_seconds": seconds, "dropped": removed // 4}

    return step, {}


def _run(folder, out, side):
    """Signs, finds, clusters and writes what is kept."""
    signatures, pairs, removed = (
        str(out / name) for name in ("signatures", "pairs", "removed")
    )
    sign = MinhashDedupSignature(signatures, CONFIG)
    if side == "spaces":
        sign.word_tokenizer = SpaceTokenizer()
    sign.run(JsonlReader(folder).run())
    for bucket in range(CONFIG.num_buckets):
        find = MinhashDedupBuckets(signatures, pairs, config=CONFIG)
        find.run(rank=bucket, world_size=CONFIG.num_buckets)
    MinhashDedupCluster(pairs, removed, CONFIG).run()
    kept = MinhashDedupFilter(removed).run(JsonlReader(folder).run())
    write = JsonlWriter(str(out / "kept"), compression=None)
    for _ in write.run(kept):
        pass


if __name__ == "__main__":
    serve(build, "datatrove", "numpy")
