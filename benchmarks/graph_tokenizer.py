"""The tokenizer of a SavedModel against tiktoken in Python.

    python benchmarks/graph_tokenizer.py

Exports the tokenizer, loads the export, and encodes the sample speeches with
it and with bare tiktoken over the same vocabulary, then prompts of a server's
size, alone and in a batch; one thread for tiktoken. Sides alternate; prints
medians as JSON, and counts the texts whose ids differ from tiktoken's among
the speeches and 10,000 random texts of any characters.
"""

import gzip
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tiktoken
from harness.versions import versions
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

from keras_gpt3 import preset_loader
from keras_gpt3.tokenization.graph.byte_pair_encoding import (
    GraphBytePairEncoding,
)

ROOT = pathlib.Path(__file__).parent.parent
sys.path.append(str(ROOT))  # The random texts are those of the tests.

from tests.tokenization.any_unicode_texts import any_unicode_texts

CORPUS = ROOT / "examples/data/speeches.jsonl.gz"
# GPT-2's own pattern, as in OpenAI's encoder.py.
PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++"
    r"|\s++$|\s+(?!\S)|\s"
)
DOCUMENTS, REPETITIONS = 20, 5
PROMPT_CHARACTERS, PROMPTS = 500, 8
FUZZ, FUZZ_BATCH = 10_000, 500


def main():
    """Measures both sides and prints one JSON object."""
    files = preset_loader.vocabulary_paths()
    bare = bare_tiktoken(*map(str, files))
    with tempfile.TemporaryDirectory() as folder:
        encode = exported(GraphBytePairEncoding(*files), folder)
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][:DOCUMENTS]
    prompts = [text[:PROMPT_CHARACTERS] for text in texts]
    batches = {
        "one_document": [[text] for text in texts],
        "one_prompt": [[prompt] for prompt in prompts],
        f"{PROMPTS}_prompts": [prompts[:PROMPTS]],
    }
    report = {
        "benchmark": "graph_tokenizer",
        "versions": versions("tensorflow", "tiktoken"),
        "batches": {
            name: measure(batch, encode, bare.encode_ordinary)
            for name, batch in batches.items()
        },
        "texts_unlike_tiktoken": {
            "speeches": mismatches(texts, encode, bare),
            "random": mismatches(
                [*any_unicode_texts(FUZZ, seed=5)], encode, bare
            ),
        },
        "random_texts": FUZZ,
    }
    print(json.dumps(report, indent=2))


def bare_tiktoken(encoding_file, merges_file):
    """tiktoken's encoding over the shipped vocabulary."""
    return tiktoken.Encoding(
        "bare",
        pat_str=PATTERN,
        mergeable_ranks=data_gym_to_mergeable_bpe_ranks(
            merges_file, encoding_file
        ),
        special_tokens={"<|endoftext|>": 50256},
    )


def exported(encoding, folder):
    """The encoding's `encode` after a way through a SavedModel."""
    module = tf.Module()
    module.encoding = encoding
    module.encode = tf.function(
        encoding.encode, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    tf.saved_model.save(module, folder)
    loaded = tf.saved_model.load(folder)
    return lambda texts: loaded.encode(tf.constant(texts, tf.string))


def measure(batches, encode, encode_one):
    """Median tokens a second of each side, and seconds a call in graph."""
    sides = {
        "in_graph": encode,
        "tiktoken": lambda texts: [encode_one(text) for text in texts],
    }
    tokens = sum(len(encode_one(text)) for b in batches for text in b)
    times = {name: [] for name in sides}
    for _ in range(REPETITIONS + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            for batch in batches:
                side(batch)
            times[name].append(time.perf_counter() - start)
    # The first round also builds what TensorFlow keeps.
    seconds = {name: statistics.median(t[1:]) for name, t in times.items()}
    rates = {name: round(tokens / t) for name, t in seconds.items()}
    return {
        "tokens_per_second": rates,
        "over_tiktoken": round(rates["in_graph"] / rates["tiktoken"], 4),
        "seconds_per_call": round(seconds["in_graph"] / len(batches), 5),
        "tokens_per_call": round(tokens / len(batches)),
    }


def mismatches(texts, encode, bare):
    """How many texts have other ids in the graph than in tiktoken."""
    count = 0
    for start in range(0, len(texts), FUZZ_BATCH):
        batch = texts[start : start + FUZZ_BATCH]
        expected = [bare.encode_ordinary(text) for text in batch]
        pairs = zip(encode(batch).to_list(), expected, strict=True)
        count += sum(got != ids for got, ids in pairs)
    return count


if __name__ == "__main__":
    main()
