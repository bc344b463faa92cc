"""Masks between the documents of a context: what they give, and what they cost.

    python benchmarks/document_mask.py [--backends jax] [--document-lengths 200]

Of a small GPT-3 (dense and banded layers by turns), for each backend: how far
the logits of packed documents with `segment_ids` are from those of each
document alone, with and without the mask; and whole training steps at a
context of 2048, masked against unmasked, for documents of 200 and of 1000
tokens in the mean (of geometric lengths). The sides of a pair are processes of
their own and alternate step by step. TensorFlow on a CPU runs attention op by
op, where the mask saves nothing; JAX skips blocks. Prints medians and ratios as
one JSON object.
"""

import argparse
import contextlib
import json

from harness.alternation import alternate
from harness.alternation import ratio
from harness.side_process import SideProcess
from harness.versions import versions

BACKENDS = ("tensorflow", "jax")
SIZES = {
    "num_layers": 4,
    "hidden_dim": 512,
    "num_heads": 8,
    "vocabulary_size": 8192,
}


def main():
    """Measures all backends and lengths; prints one JSON object."""
    arguments = parse_arguments()
    sizes = {name: getattr(arguments, name) for name in SIZES}
    sizes |= {"intermediate_dim": 4 * sizes["hidden_dim"]}
    sizes |= {"length": arguments.length}
    rows = [
        compare(backend, document_length, sizes, arguments)
        for backend in arguments.backends
        for document_length in arguments.document_lengths
    ]
    report = {
        "benchmark": "document_mask",
        "versions": versions("keras-gpt3", "keras", "tensorflow", "jax"),
        "configuration": vars(arguments) | sizes,
        "largest_difference_of_logits": {
            backend: equality(backend, sizes) for backend in arguments.backends
        },
        "steps": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--backends", nargs="+", choices=BACKENDS, default=BACKENDS
    )
    parser.add_argument(
        "--document-lengths", type=int, nargs="+", default=[200, 1000]
    )
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--batch-size", type=int, default=2)
    for name, size in SIZES.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, default=size)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def equality(backend, sizes):
    """The largest distance from logits of documents alone, on a backend."""
    with SideProcess(
        f"logits, {backend}",
        "sides.document_mask_side",
        sizes,
        environment={"KERAS_BACKEND": backend},
    ) as side:
        return side.ready.get("first_step", {}).get("result", side.ready)


def compare(backend, document_length, sizes, arguments):
    """Steps with and without the mask, in turn."""
    options = sizes | {"batch_size": arguments.batch_size}
    lengths = {"masked": document_length, "unmasked": None}
    with contextlib.ExitStack() as stack:
        sides = {
            name: stack.enter_context(
                SideProcess(
                    f"{name}, {backend}, {document_length}",
                    "sides.keras_gpt3_side",
                    options | {"document_length": length},
                    environment={"KERAS_BACKEND": backend},
                )
            )
            for name, length in lengths.items()
        }
        answers = alternate(sides, arguments.repetitions)
    row = {"backend": backend, "document_length": document_length}
    for name, answer in answers.items():
        row[name] = answer
        if "error" not in answer:
            row[name] = {
                "seconds": round(answer["seconds"], 4),
                "all_seconds": answer["all_seconds"],
                "peak_bytes": answer["peak_bytes"],
            }
    return row | {
        "masked_over_unmasked": ratio(
            answers["masked"], answers["unmasked"], "seconds"
        )
    }


if __name__ == "__main__":
    main()
