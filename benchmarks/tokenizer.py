"""The tokenizer against tiktoken and against keras-hub's GPT-2 tokenizer.

    python benchmarks/tokenizer.py

Encodes the sample speeches with the package, with bare tiktoken over the same
vocabulary and with `keras_hub.models.GPT2Tokenizer`, one thread each, and
counts the documents whose ids differ from tiktoken's. Sides alternate; prints
medians as JSON.
"""

import gzip
import json
import os
import pathlib
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_hub
import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

import keras_gpt3
from keras_gpt3 import preset_loader

CORPUS = (
    pathlib.Path(__file__).parent.parent / "examples/data/speeches.jsonl.gz"
)
# GPT-2's own pattern, as in OpenAI's encoder.py.
PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++"
    r"|\s++$|\s+(?!\S)|\s"
)
DOCUMENTS = 20
REPETITIONS = 5


def main():
    """Measures all sides and prints one JSON object."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][:DOCUMENTS]
    encoding_file, merges_file = map(str, preset_loader.vocabulary_paths())
    bare = tiktoken.Encoding(
        "bare",
        pat_str=PATTERN,
        mergeable_ranks=data_gym_to_mergeable_bpe_ranks(
            merges_file, encoding_file
        ),
        special_tokens={"<|endoftext|>": 50256},
    )
    ours = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    merges = pathlib.Path(merges_file).read_text("utf-8").splitlines()[1:]
    hub = keras_hub.models.GPT2Tokenizer(encoding_file, merges)
    sides = {
        "keras_gpt3": lambda text: ours.encode_batch([text])[0],
        "tiktoken": bare.encode_ordinary,
        "keras_hub": lambda text: list(hub(text)),
    }
    expected = [bare.encode_ordinary(text) for text in texts]
    rates = measure(sides, texts, sum(map(len, expected)))
    report = {
        "benchmark": "tokenizer",
        "versions": {
            "python": platform.python_version(),
            "tiktoken": tiktoken.__version__,
            "keras_hub": keras_hub.__version__,
        },
        "tokens_per_second": rates,
        "over_tiktoken": round(rates["keras_gpt3"] / rates["tiktoken"], 2),
        "over_keras_hub": round(rates["keras_gpt3"] / rates["keras_hub"], 2),
        "documents_unlike_tiktoken": {
            name: sum(
                list(map(int, side(text))) != ids
                for text, ids in zip(texts, expected, strict=True)
            )
            for name, side in sides.items()
        },
        "documents": len(texts),
    }
    print(json.dumps(report, indent=2))


def measure(sides, texts, num_tokens):
    """Median tokens per second of each side."""
    times = {name: [] for name in sides}
    for _ in range(REPETITIONS):
        for name, side in sides.items():
            start = time.perf_counter()
            for text in texts:
                side(text)
            times[name].append(time.perf_counter() - start)
    return {
        name: round(num_tokens / statistics.median(t))
        for name, t in times.items()
    }


if __name__ == "__main__":
    main()
