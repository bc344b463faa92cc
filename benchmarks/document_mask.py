"""Masks between the documents of a context: what they give, and what they cost.

    python benchmarks/document_mask.py [--ways jax] [--parts steps]

With `segment_ids` against without, for documents of 200 and 1000 tokens in the
mean (of geometric lengths), where TensorFlow runs operation by operation, where
XLA compiles its step, and under JAX:

- `logits`: of a small GPT-3 (dense and banded layers by turns), how far the
  logits of packed documents are from those of each document alone; beside it
  the same without the mask, and what rounding alone makes of each document.
- `attention`: forward and backward pass of one layer, 12 heads of 64, dense and
  with a window of 256.
- `steps`: whole training steps of the small GPT-3 at a context of 2048.

The sides are processes of their own and alternate call by call. Ratios are of
seconds, and of those of the processor, all threads together, which depend less
on what else runs: the lowest, the median and the highest of the rounds. Prints
one JSON object.
"""

import argparse
import contextlib
import json
import statistics

from harness.alternation import alternate
from harness.side_process import SideProcess
from harness.versions import versions

# Keras' backend, and whether XLA compiles TensorFlow's graph as a whole.
WAYS = {
    "tensorflow": ("tensorflow", None),
    "tensorflow_xla": ("tensorflow", True),
    "jax": ("jax", None),
}
PARTS = ("logits", "attention", "steps")
SIZES = {
    "num_layers": 4,
    "hidden_dim": 512,
    "num_heads": 8,
    "vocabulary_size": 8192,
}
ATTENTION = {"dtype": "float32", "heads": 12, "head_dim": 64, "window": 256}


def main():
    """Measures the parts; prints one JSON object."""
    arguments = parse_arguments()
    sizes = {name: getattr(arguments, name) for name in SIZES}
    sizes |= {"intermediate_dim": 4 * sizes["hidden_dim"]}
    sizes |= {"length": arguments.length}
    measure = {
        "logits": lambda way: logits(way, sizes),
        "attention": lambda way: attention(way, arguments),
        "steps": lambda way: steps(way, sizes, arguments),
    }
    report = {
        "benchmark": "document_mask",
        "versions": versions("keras-gpt3", "keras", "tensorflow", "jax"),
        "configuration": vars(arguments) | sizes | {"attention": ATTENTION},
    }
    for part in arguments.parts:
        report[part] = {way: measure[part](way) for way in arguments.ways}
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--document-lengths", type=int, nargs="+", default=[200, 1000]
    )
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument(
        "--attention-lengths", type=int, nargs="+", default=[2048, 8192]
    )
    parser.add_argument("--batch-size", type=int, default=2)
    for name, size in SIZES.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, default=size)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def logits(way, sizes):
    """Distances from logits of documents alone."""
    backend, jit_compile = WAYS[way]
    with SideProcess(
        f"logits, {way}",
        "sides.document_mask_side",
        sizes | {"jit_compile": jit_compile},
        environment={"KERAS_BACKEND": backend},
    ) as side:
        return side.ready.get("first_step", {}).get("result", side.ready)


def attention(way, arguments):
    """A row for each length, dense and banded."""
    rows = []
    for length in arguments.attention_lengths:
        for side in ("blocked", "banded"):
            options = ATTENTION | {"side": side, "length": length}
            options |= {"rows": arguments.batch_size}
            name = f"{side}, {length}, {way}"
            row = compare(name, "sides.attention_side", way, options, arguments)
            rows.append({"side": side, "length": length} | row)
    return rows


def steps(way, sizes, arguments):
    """Whole training steps."""
    options = sizes | {"batch_size": arguments.batch_size}
    return compare(
        f"steps, {way}", "sides.keras_gpt3_side", way, options, arguments
    )


def compare(name, module, way, options, arguments):
    """Calls without the mask and with it, for each length of documents."""
    backend, jit_compile = WAYS[way]
    lengths = {"unmasked": None}
    lengths |= {f"masked_{x}": x for x in arguments.document_lengths}
    with contextlib.ExitStack() as stack:
        sides = {
            side: stack.enter_context(
                SideProcess(
                    f"{side}, {name}",
                    module,
                    options
                    | {"document_length": length, "jit_compile": jit_compile},
                    environment={"KERAS_BACKEND": backend},
                )
            )
            for side, length in lengths.items()
        }
        answers = alternate(sides, arguments.repetitions)
    unmasked = answers["unmasked"]
    return {side: entry(answer, unmasked) for side, answer in answers.items()}


def entry(answer, unmasked):
    """The report of a side, beside the one without a mask."""
    if "error" in answer:
        return answer
    row = {
        "seconds": round(answer["seconds"], 4),
        "peak_bytes": answer["peak_bytes"],
    }
    if answer is unmasked or "error" in unmasked:
        return row
    return row | {
        "time_ratio": spread(answer, unmasked, "all_seconds"),
        "processor_ratio": spread(answer, unmasked, "all_processor_seconds"),
        "memory_ratio": round(answer["peak_bytes"] / unmasked["peak_bytes"], 3),
    }


def spread(answer, unmasked, key):
    """The ratios of the rounds: lowest, median, highest."""
    pairs = zip(answer[key], unmasked[key], strict=True)
    ratios = [masked / without for masked, without in pairs]
    return [round(x(ratios), 3) for x in (min, statistics.median, max)]


if __name__ == "__main__":
    main()
