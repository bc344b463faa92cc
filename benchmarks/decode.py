"""Continuing prompts: the package against keras-hub, token by token.

    python benchmarks/decode.py [--dtypes float32 bfloat16 int8]
        [--new-tokens 64] [--torch-python PATH]

Models of GPT-3 Small's size continue random prompts greedily: batch 1 with
prompts of 512 and 1500 tokens, batch 8 with 512. Sides take turns, each in a
process of its own; the least of each one's times counts, since others may use
the machine. transformers' GPT-2 runs on the Python of `--torch-python`, where
that is given.

Prints one JSON object: tokens a second of the whole of `generate`, prompt
included, and of the loop alone (from the difference of answers of all and of a
quarter of the new tokens), ratios, and the time of the first call and of the
first prompt of another length. The shares of the bandwidth say how near both
come to reading all weights and the cache once a token, at the rate of a large
sum in the same run.

"sampling" are milliseconds a row that the choice of a token takes among 50,257
scores, live by XLA and exported, for rows of each kind; `--dtypes` without any
measures these alone.
"""

import argparse
import contextlib
import json
import time

import numpy as np
from harness.alternation import alternate
from harness.alternation import ratio
from harness.sampling_times import sampling_times
from harness.side_process import SideProcess
from harness.versions import versions

# Batch and prompt.
CASES = ((1, 512), (1, 1500), (8, 512))
SIDES = ("keras_gpt3", "keras_hub")
TRANSFORMERS = "transformers"


def main():
    """Measures all cases and prints one JSON object."""
    arguments = parse_arguments()
    bandwidths, rows = [read_bandwidth()], []
    for dtype in arguments.dtypes:
        for batch_size, prompt in CASES:
            rows.append(measure(batch_size, prompt, dtype, arguments))
            bandwidths.append(read_bandwidth())
    for row in rows:
        add_shares(row, max(bandwidths), arguments.new_tokens)
    report = {
        "benchmark": "decode",
        "versions": versions("keras-gpt3", "keras-hub", "keras", "tensorflow"),
        "configuration": vars(arguments),
        "read_bytes_per_second": bandwidths,
        "rows": rows,
        "sampling": sampling_times(),
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dtypes",
        nargs="*",
        choices=("float32", "bfloat16", "int8"),
        default=["float32"],
    )
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--torch-python", help="a Python with torch")
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


def measure(batch_size, prompt, dtype, arguments):
    """One case: all sides in turn."""
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
                    f"{name}, {dtype}, {batch_size} x {prompt}", *program
                )
            )
            for name, program in programs(options, arguments).items()
        }
        results = alternate(sides, arguments.repetitions)
    row = {"batch_size": batch_size, "prompt": prompt, "dtype": dtype}
    for name, result in results.items():
        row[name] = entry(sides[name].ready, result, options)
    row["speed"] = {
        name: {
            key: ratio(row[name], row["keras_gpt3"], key)
            for key in ("seconds", "loop_seconds_per_token")
        }
        for name in results
        if name != "keras_gpt3"
    }
    return row


def programs(options, arguments):
    """The module, arguments and Python of each side."""
    sides = {
        name: ("sides.decode_side", options | {"side": name}) for name in SIDES
    }
    if arguments.torch_python and options["dtype"] != "int8":
        sides[TRANSFORMERS] = (
            "sides.transformers_decode_side",
            options,
            arguments.torch_python,
        )
    return sides


def entry(ready, result, options):
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
            "cache_bytes",
        )
    }
    new_tokens, times = options["new_tokens"], result["results"]
    seconds = min(x["all_tokens"] for x in times)
    difference = seconds - min(x["quarter"] for x in times)
    per_token = difference / (new_tokens - new_tokens // 4)
    return facts | {
        "all_seconds": times,
        "seconds": round(seconds, 4),
        "loop_seconds_per_token": round(per_token, 5),
        "tokens_per_second": round(
            options["batch_size"] * new_tokens / seconds, 2
        ),
        "peak_bytes": result["peak_bytes"],
    }


def add_shares(row, bandwidth, new_tokens):
    """The shares of the read bandwidth, of the package's batch of one."""
    side = row["keras_gpt3"]
    if row["batch_size"] != 1 or "error" in side:
        return
    read = (side["weight_bytes"] + side["cache_bytes"]) / bandwidth
    row["share_of_bandwidth"] = {
        "whole": round(read * new_tokens / side["seconds"], 3),
        "loop": round(read / side["loop_seconds_per_token"], 3),
    }


if __name__ == "__main__":
    main()
