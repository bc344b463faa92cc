"""Packed batches: their rate, and their start at step 10 and at 1,000,000.

    python benchmarks/input_pipeline.py

Writes shards of random ids to a temporary folder and reads batches of 8 x 2048
and 8 x 128 tokens. Starts alternate; prints medians as JSON.
"""

import json
import os
import platform
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import keras_gpt3

TOKENS, DOCUMENT = 8_000_000, 800
REPETITIONS = 5


class RandomTokenizer:
    """Turns any text into a document of random ids."""

    end_token_id = 50256

    def __init__(self):
        self._rng = np.random.default_rng(0)

    def vocabulary_size(self):
        """GPT-2's."""
        return 50257

    def encode_batch(self, texts, split_special_tokens):
        """A list of ids for each text."""
        ids = self._rng.integers(0, 50256, (len(texts), DOCUMENT - 1))
        return ids.tolist()


def main():
    """Measures rates and starts and prints one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        shards = keras_gpt3.data.write_token_shards(
            ("text" for _ in range(TOKENS // DOCUMENT)),
            folder,
            RandomTokenizer(),
            tokens_per_shard=TOKENS // 4,
        )
        rates = {f"8 x {n}": rate(shards, n) for n in (128, 2048)}
        starts = {10: [], 10**6: []}
        for _ in range(REPETITIONS + 1):
            for step, times in starts.items():
                times.append(start(shards, step))
    # The first round also builds what TensorFlow keeps.
    starts = {n: statistics.median(times[1:]) for n, times in starts.items()}
    report = {
        "benchmark": "input_pipeline",
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
        },
        "tokens_per_second": rates,
        "seconds_to_first_batch": {n: round(t, 3) for n, t in starts.items()},
        "start_at_1000000_over_10": round(starts[10**6] / starts[10], 2),
    }
    print(json.dumps(report, indent=2))


def rate(shards, length):
    """Median tokens per second over passes of 200 batches."""
    rates = []
    for _ in range(REPETITIONS):
        batches = iter(keras_gpt3.data.packed_dataset(shards, length, 8))
        next(batches)
        begin = time.perf_counter()
        for _ in range(200):
            next(batches)
        rates.append(200 * 8 * length / (time.perf_counter() - begin))
    return round(statistics.median(rates))


def start(shards, step):
    """Seconds from the call to the first batch."""
    begin = time.perf_counter()
    dataset = keras_gpt3.data.packed_dataset(shards, 2048, 8, start_step=step)
    next(iter(dataset))
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
