"""The package's attention against Keras' own, in time and memory.

    python benchmarks/attention.py [--dtype bfloat16] [--lengths 512 1024]

Forward and backward pass of one layer of GPT-3 Small (12 heads of 64, batch 1)
at growing lengths, in two pairs whose sides take turns, each in a process of
its own: the package's banded attention (window 256) and
`keras.ops.dot_product_attention` with the same band as a mask, which is what
keras-hub's sliding windows do; the package's causal attention and
`keras.ops.dot_product_attention` with `is_causal=True`.

Prints medians, ratios and the exponents of the growth from 2048 on as one JSON
object. Memory is the peak of the process less what it held before the first
call, compilation included. A side that would need more than the machine has
left is not run: its memory is given by arithmetic, that of the length before
times the square of the ratio of the lengths.
"""

import argparse
import contextlib
import json

import psutil
from harness.alternation import alternate
from harness.alternation import ratio
from harness.growth import slope
from harness.progress import log
from harness.side_process import SideProcess
from harness.step_options import DTYPES
from harness.versions import versions

HEADS, HEAD_DIM, WINDOW = 12, 64, 256
PAIRS = {"banded": "masked_dense", "blocked": "stock_causal"}
SLOPES_FROM = 2048
# Of the memory that the machine has left; the rest is for what moves.
USABLE = 0.85


def main():
    """Measures all lengths and prints one JSON object."""
    arguments = parse_arguments()
    rows = []
    for length in sorted(arguments.lengths):
        previous = rows[-1] if rows else {}
        rows.append(measure(length, arguments, previous))
    report = {
        "benchmark": "attention",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments)
        | {"heads": HEADS, "head_dim": HEAD_DIM, "window": WINDOW},
        "rows": rows,
        "slopes": slopes(rows),
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--lengths",
        type=int,
        nargs="+",
        default=[512, 1024, 2048, 4096, 8192, 16384],
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def measure(length, arguments, previous):
    """Both pairs at one length."""
    row = {"length": length}
    for ours, stock in PAIRS.items():
        needed = predicted_bytes(stock, length, previous)
        fits = needed <= USABLE * psutil.virtual_memory().available
        names = (ours, stock) if fits else (ours,)
        row |= measure_by_turns(names, length, arguments)
        if not fits:
            log(f"{stock}, {length}: not run, it needs {needed:.3g} bytes")
            row[stock] = {"not_run": True, "predicted_bytes": int(needed)}
        name = f"{stock}_over_{ours}"
        row[name] = ratio(row[stock], row[ours], "seconds")
        row[f"{name}_memory"] = ratio(row[stock], row[ours], "bytes")
    return row


def measure_by_turns(names, length, arguments):
    """Some sides at one length, each in its own process."""
    options = {
        "length": length,
        "dtype": arguments.dtype,
        "heads": HEADS,
        "head_dim": HEAD_DIM,
        "window": WINDOW,
    }
    with contextlib.ExitStack() as stack:
        sides = {
            name: stack.enter_context(
                SideProcess(
                    f"{name}, {length}",
                    "sides.attention_side",
                    options | {"side": name},
                )
            )
            for name in names
        }
        results = alternate(sides, arguments.repetitions)
        return {name: entry(sides[name], results[name]) for name in names}


def predicted_bytes(stock, length, previous):
    """What a (T, T) side needs, from the length before; 0 where unknown."""
    last = previous.get(stock, {})
    known = last.get("bytes", last.get("predicted_bytes"))
    return known * (length / previous["length"]) ** 2 if known else 0


def entry(side, result):
    """The report of one side at one length."""
    if "error" in result:
        return result
    return {
        "seconds": round(result["seconds"], 5),
        "bytes": result["peak_bytes"] - side.ready["bytes_before"],
    }


def slopes(rows):
    """Exponents of the growth of each side, in time and memory."""
    rows = [row for row in rows if row["length"] >= SLOPES_FROM]
    lengths = [row["length"] for row in rows]
    return {
        side: {
            key: slope(lengths, [row[side].get(key) for row in rows])
            for key in ("seconds", "bytes")
        }
        for side in (*PAIRS, *PAIRS.values())
    }


if __name__ == "__main__":
    main()
