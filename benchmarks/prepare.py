"""`keras-gpt3 prepare` against bare tiktoken on texts already in memory.

    python benchmarks/prepare.py [--repetitions 5]

The command's side reads and unpacks the sample speeches, twice over, encodes
them and writes shards with their checksums: all that the command does but its
start. The other side is `encode_ordinary_batch` of tiktoken with GPT-2's own
pattern, over texts in memory, its ids thrown away. Both use one thread to
encode, then one for each core; sides alternate. Prints medians as JSON, and
whether the shards hold tiktoken's ids.
"""

import argparse
import gzip
import json
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tiktoken
from harness.progress import log
from harness.versions import cores
from harness.versions import versions
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

import keras_gpt3
from keras_gpt3 import preset_loader

CORPUS = (
    pathlib.Path(__file__).parent.parent / "examples/data/speeches.jsonl.gz"
)
COPIES = 2
END_TOKEN_ID = 50256
# GPT-2's own pattern, as in OpenAI's encoder.py.
PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++"
    r"|\s++$|\s+(?!\S)|\s"
)


def main():
    """Measures both sides and prints one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines] * COPIES
    bare = bare_tiktoken()
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    ids = bare.encode_ordinary_batch(texts)
    num_tokens = sum(map(len, ids))
    with tempfile.TemporaryDirectory() as folder:

        def prepare(num_threads):
            return keras_gpt3.data.write_token_shards(
                [CORPUS] * COPIES,
                folder,
                tokenizer,
                overwrite=True,
                workers=num_threads,
            )

        def encode(num_threads):
            bare.encode_ordinary_batch(texts, num_threads=num_threads)

        sides = {"prepare": prepare, "tiktoken": encode}
        threads = {
            n: compare(sides, n, num_tokens, repetitions)
            for n in sorted({1, cores()})
        }
        has_same_ids = equals(prepare(cores()), ids)
    report = {
        "benchmark": "prepare",
        "versions": versions("tiktoken", "keras-gpt3"),
        "threads": threads,
        "shards_hold_tiktokens_ids": has_same_ids,
        "megabytes_of_text": round(sum(map(len, texts)) / 1e6, 1),
        "tokens": num_tokens,
    }
    print(json.dumps(report, indent=2))


def bare_tiktoken():
    """GPT-2's encoding, built as tiktoken's own registry builds it."""
    encoder, merges = map(str, preset_loader.vocabulary_paths())
    return tiktoken.Encoding(
        "bare",
        pat_str=PATTERN,
        mergeable_ranks=data_gym_to_mergeable_bpe_ranks(merges, encoder),
        special_tokens={"<|endoftext|>": END_TOKEN_ID},
    )


def compare(sides, num_threads, num_tokens, repetitions):
    """Median rates of the sides, in wall and in processor time."""
    seconds = {name: [] for name in sides}
    processor_seconds = {name: [] for name in sides}
    for repetition in range(repetitions):
        log(f"{num_threads} threads: {repetition + 1} of {repetitions}")
        for name, side in sides.items():
            begin, begin_cpu = time.perf_counter(), time.process_time()
            side(num_threads)
            seconds[name].append(time.perf_counter() - begin)
            processor_seconds[name].append(time.process_time() - begin_cpu)
    rates = {
        "tokens_per_second": seconds,
        "tokens_per_processor_second": processor_seconds,
    }
    return {key: rate(times, num_tokens) for key, times in rates.items()}


def rate(times, num_tokens):
    """Tokens per second at each side's median, and the sides' ratio."""
    rates = {
        n: round(num_tokens / statistics.median(t)) for n, t in times.items()
    }
    over = round(rates["prepare"] / rates["tiktoken"], 2)
    return rates | {"prepare_over_tiktoken": over}


def equals(shards, ids):
    """Whether shards hold the given ids, each document with its end."""
    expected = [id for document in ids for id in (*document, END_TOKEN_ID)]
    return shards.read([0], shards.num_tokens)[0].tolist() == expected


if __name__ == "__main__":
    main()
