"""One step of fine-tuning against keras-hub's GPT-2, all weights and LoRA.

    python benchmarks/finetune.py [--dtypes bfloat16] [--share 0.2]

GPT-3 Small's size, dense attention, a share of the tokens with weight 1 (the
completions), the others with weight 0 (the prompts). Every side is a process
of its own; two at a time take steps in turn. At rank 8 the package trains
294,912 numbers, on its one fused projection; keras-hub, on query and value with
a factor for each head, 1,800,192, the biases of both included.

Prints medians of seconds, the peak of resident memory, and ratios:
`speed_ratio` is keras-hub's seconds by the package's, `memory_ratio` the
package's bytes by keras-hub's. `head_ratio` compares the package with itself:
the seconds of a step whose tokens all have a weight by those of a step in which
the head leaves out the prompts.
"""

import argparse
import json

from harness.alternation import alternate
from harness.alternation import ratio
from harness.side_process import SideProcess
from harness.step_options import DTYPES
from harness.versions import versions

OURS, THEIRS, UNWEIGHTED = "keras_gpt3", "keras_hub", "keras_gpt3_all_tokens"
SIDE = "sides.finetune_side"


def main():
    """Measures all sides and prints one JSON object."""
    arguments = parse_arguments()
    report = {
        "benchmark": "finetune",
        "versions": versions(),
        "configuration": vars(arguments),
    }
    for dtype in arguments.dtypes:
        report[dtype] = {
            name: measure(arguments, dtype, rank)
            for name, rank in (("full", 0), ("lora", arguments.lora_rank))
        }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=1024, help="tokens")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--lora-rank", type=int, default=8)
    parser.add_argument(
        "--share", type=float, default=0.2, help="of tokens with a weight"
    )
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


def measure(arguments, dtype, lora_rank):
    """The package against both other sides, one after the other."""
    options = {
        "dtype": dtype,
        "length": arguments.length,
        "batch_size": arguments.batch_size,
        "num_layers": arguments.num_layers,
        "share": arguments.share,
        "lora_rank": lora_rank,
    }
    others = {
        THEIRS: {"side": THEIRS},
        UNWEIGHTED: {"side": OURS, "weighted": False},
    }
    report = {}
    label = f"{dtype}, rank {lora_rank}"
    own = options | {"side": OURS}
    with SideProcess(f"{OURS}, {label}", SIDE, own) as ours:
        report["ready"] = ours.ready
        for name, extra in others.items():
            with SideProcess(
                f"{name}, {label}", SIDE, options | extra
            ) as other:
                both = alternate(
                    {OURS: ours, name: other}, arguments.repetitions
                )
                report[name] = compare(other.ready, both[OURS], both[name])
    against_self = report[UNWEIGHTED]
    report["head_ratio"] = against_self.pop("speed_ratio")
    del against_self["memory_ratio"]
    return report


def compare(ready, mine, its):
    """Two sides that took steps in turn."""
    for side in (mine, its):
        side.pop("results", None)
    return {
        "ready": ready,
        "ours": mine,
        "its": its,
        "speed_ratio": ratio(its, mine, "seconds"),
        "memory_ratio": ratio(mine, its, "peak_bytes"),
    }


if __name__ == "__main__":
    main()
