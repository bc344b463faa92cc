"""What an export costs in fewer bits: bytes, perplexity, speed.

    python benchmarks/export.py [--formats float32 bfloat16 int8 int4]

Models of GPT-3 Small's size are exported, loaded with nothing but TensorFlow's
loader, and continue a prompt through the signature `generate`, greedily. Sides
take turns, each in a process of its own. The paper's weights were not
published, so the quality is that of a small model trained here for some
hundred steps on the sample speeches, measured on speeches held out, by the
export's own logits. Prints one JSON object: bytes on the disk, perplexity and
tokens a second, each also as a ratio to float32.
"""

import argparse
import contextlib
import json
import tempfile

import numpy as np
from harness.alternation import alternate
from harness.alternation import ratio
from harness.side_process import SideProcess
from harness.small_training import train
from harness.versions import versions
from sides.export_side import FORMATS

# Of held-out text: the tokens of each, and how many there are.
CONTEXT = 128
CONTEXTS = 64


def main():
    """Trains, measures all formats and prints one JSON object."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        trained, contexts, _ = train(folder, arguments.steps, CONTEXT, CONTEXTS)
        np.save(trained / "contexts.npy", contexts)
        quality = {
            "trained": str(trained),
            "held_out": str(trained / "contexts.npy"),
        }
        rows = measure(arguments, quality)
    report = {
        "benchmark": "export",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments),
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=list(FORMATS)
    )
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--prompt-words", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


def measure(arguments, quality):
    """A row for each format, with ratios to the first."""
    options = quality | {
        "num_layers": arguments.num_layers,
        "batch_size": arguments.batch_size,
        "prompt_words": arguments.prompt_words,
        "new_tokens": arguments.new_tokens,
    }
    with contextlib.ExitStack() as stack:
        sides = {
            name: stack.enter_context(
                SideProcess(
                    name, "sides.export_side", options | {"format": name}
                )
            )
            for name in arguments.formats
        }
        results = alternate(sides, arguments.repetitions)
    rows = [entry(name, sides[name].ready, results[name]) for name in sides]
    first = rows[0]
    for row in rows:
        row["to_the_first"] = {
            "disk_bytes": ratio(row, first, "disk_bytes"),
            "perplexity": ratio(row, first, "perplexity"),
            "speed": ratio(row, first, "tokens_per_second"),
        }
    return rows


def entry(name, ready, result):
    """The report of one format."""
    if "error" in result:
        return {"format": name} | result
    tokens = result["results"][-1]
    return {
        "format": name,
        "disk_bytes": ready["disk_bytes"],
        "perplexity": round(ready["perplexity"], 3),
        "tokens": tokens,
        "tokens_per_second": round(tokens / result["seconds"], 3),
        "all_seconds": result["all_seconds"],
        "peak_bytes": result["peak_bytes"],
    }


if __name__ == "__main__":
    main()
