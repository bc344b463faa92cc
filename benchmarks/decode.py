"""Continuing prompts: the package against keras-hub, token by token.

    python benchmarks/decode.py [--dtypes float32 bfloat16] [--new-tokens 64]

Models of GPT-3 Small's size continue random prompts greedily: batch 1 with
prompts of 512 and 1500 tokens, batch 8 with 512. Sides take turns, each in a
process of its own, and the whole of `generate` is timed, prompt included.
Prints one JSON object: tokens a second, ratios, the time of the first call and
of the first prompt of another length, and how near decoding comes to reading
each weight once a token at the bandwidth of a large sum measured in the same
run.
"""

import argparse
import contextlib
import json
import time

import numpy as np
from harness.alternation import alternate
from harness.alternation import ratio
from harness.side_process import SideProcess
from harness.versions import versions

# Batch and prompt.
CASES = ((1, 512), (1, 1500), (8, 512))
SIDES = ("keras_gpt3", "keras_hub")


def main():
    """Measures all cases and prints one JSON object."""
    arguments = parse_arguments()
    bandwidth = read_bandwidth()
    rows = [
        measure(batch_size, prompt, dtype, arguments, bandwidth)
        for dtype in arguments.dtypes
        for batch_size, prompt in CASES
    ]
    report = {
        "benchmark": "decode",
        "versions": versions("keras-gpt3", "keras-hub", "keras", "tensorflow"),
        "configuration": vars(arguments),
        "read_bytes_per_second": bandwidth,
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=("float32", "bfloat16", "int8"),
        default=["float32"],
    )
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


def read_bandwidth():
    """Bytes a second that a sum of a large array reads, on all cores."""
    import tensorflow as tf

    x = tf.random.stateless_uniform((2**27,), (0, 1))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        tf.reduce_sum(x).numpy()
        times.append(time.perf_counter() - start)
    return int(np.prod(x.shape)) * 4 / min(times)


def measure(batch_size, prompt, dtype, arguments, bandwidth):
    """One case: both sides in turn."""
    options = {
        "batch_size": batch_size,
        "prompt": prompt,
        "dtype": dtype,
        "new_tokens": arguments.new_tokens,
        "num_layers": arguments.num_layers,
    }
    with contextlib.ExitStack() as stack:
        sides = {
            name: stack.enter_context(
                SideProcess(
                    f"{name}, {dtype}, {batch_size} x {prompt}",
                    "sides.decode_side",
                    options | {"side": name},
                )
            )
            for name in SIDES
        }
        results = alternate(sides, arguments.repetitions)
    row = {"batch_size": batch_size, "prompt": prompt, "dtype": dtype}
    tokens = batch_size * arguments.new_tokens
    for name, result in results.items():
        row[name] = entry(sides[name].ready, result, tokens)
    row["speed"] = ratio(row["keras_hub"], row["keras_gpt3"], "seconds")
    seconds = row["keras_gpt3"].get("seconds")
    if batch_size == 1 and seconds:
        least = row["keras_gpt3"]["weight_bytes"] / bandwidth
        row["share_of_bandwidth"] = round(
            least * arguments.new_tokens / seconds, 3
        )
    return row


def entry(ready, result, tokens):
    """The report of one side."""
    if "error" in result:
        return result
    facts = {
        name: ready[name]
        for name in (
            "first_call",
            "another_length",
            "that_length_again",
            "weight_bytes",
        )
    }
    return facts | {
        "seconds": round(result["seconds"], 4),
        "tokens_per_second": round(tokens / result["seconds"], 2),
        "peak_bytes": result["peak_bytes"],
    }


if __name__ == "__main__":
    main()
