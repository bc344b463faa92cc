"""One whole training step against keras-hub and transformers.

    python benchmarks/train_step.py [--dtypes bfloat16] [--torch-python PATH]

GPT-3 Small, context 2048, batch 1, forward and backward pass and the update of
the optimizer: the package against keras-hub's GPT-2 of the same shape, and
where PyTorch is installed against transformers' GPT-2 (its fused attention)
and GPT-Neo (global and local layers by turns, as GPT-3). Every side is a
process of its own; the package's alternates step by step with one other at a
time, since few machines hold all of them at once. Prints medians of seconds,
the peak of resident memory, and two ratios: `speed_ratio` is the other side's
seconds by the package's, `memory_ratio` the package's bytes by the other's.

The roofline is the time of the package's matrix products, each measured alone
at its own shape and dtype, summed; `roofline_share` is its ratio to the step.
"""

import argparse
import json
import shutil
import subprocess
import sys

from harness.alternation import alternate
from harness.alternation import ratio
from harness.side_process import SideProcess
from harness.step_options import DTYPES
from harness.step_options import add_step_options
from harness.versions import versions

OURS, ROOFLINE = "keras_gpt3", "roofline"
SIDES = {
    ROOFLINE: ("sides.roofline_side", {}),
    "keras_hub": ("sides.keras_hub_side", {}),
    "transformers_gpt2": ("sides.transformers_side", {"model": "gpt2"}),
    "transformers_gpt_neo": ("sides.transformers_side", {"model": "gpt_neo"}),
}


def main():
    """Measures all sides and prints one JSON object."""
    arguments = parse_arguments()
    torch_python = find_torch(arguments.torch_python)
    report = {
        "benchmark": "train_step",
        "versions": versions(),
        "configuration": vars(arguments),
        "transformers": torch_python is not None
        or "left out: no Python with torch and transformers",
    }
    for dtype in arguments.dtypes:
        report[dtype] = measure(arguments, dtype, torch_python)
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=2048, help="tokens")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=DTYPES,
        default=DTYPES,
    )
    parser.add_argument("--repetitions", type=int, default=3)
    add_step_options(parser)
    parser.add_argument(
        "--torch-python",
        default=sys.executable,
        help="a Python that has torch and transformers; default: this one",
    )
    return parser.parse_args()


def find_torch(python):
    """The Python if it has what transformers' sides need, else `None`."""
    if shutil.which(python) is None:
        raise SystemExit(
            f"--torch-python must be a Python. Received: {python}. Give the "
            "path of one that has torch and transformers."
        )
    test = "import importlib.util as u; " + "; ".join(
        f"assert u.find_spec('{name}')" for name in ("torch", "transformers")
    )
    run = subprocess.run([python, "-c", test], capture_output=True)
    return python if run.returncode == 0 else None


def measure(arguments, dtype, torch_python):
    """All sides at one dtype, each against the package's step."""
    common = {
        "dtype": dtype,
        "length": arguments.length,
        "batch_size": arguments.batch_size,
        "num_layers": arguments.num_layers,
    }
    own = {
        "rematerialization": arguments.rematerialization,
        "micro_batch_size": arguments.micro_batch_size,
    }
    with SideProcess(
        f"{OURS}, {dtype}", "sides.keras_gpt3_side", common | own
    ) as ours:
        report = {OURS: ours.ready}
        if "error" in ours.ready:
            return report
        for name, (module, extra) in SIDES.items():
            if name == ROOFLINE:
                extra = {"micro_batch_size": arguments.micro_batch_size}
            in_torch = name.startswith("transformers")
            if in_torch and torch_python is None:
                continue
            with SideProcess(
                f"{name}, {dtype}",
                module,
                common | extra,
                torch_python if in_torch else None,
            ) as other:
                report[name] = compare(ours, name, other, arguments.repetitions)
    return report


def compare(ours, name, other, repetitions):
    """The package and one other side, step by step in turn."""
    both = alternate({OURS: ours, name: other}, repetitions)
    if name == ROOFLINE:
        return share_of_roofline(both[OURS], both[ROOFLINE])
    for side in both.values():
        side.pop("results", None)
    mine, its = both[OURS], both[name]
    return {
        "ready": other.ready,
        **both,
        "speed_ratio": ratio(its, mine, "seconds"),
        "memory_ratio": ratio(mine, its, "peak_bytes"),
    }


def share_of_roofline(step, products):
    """How near the step is to its matrix products alone."""
    if "error" in step or "error" in products:
        return {OURS: step, ROOFLINE: products}
    alone = sorted(products["results"], key=lambda x: x["seconds"])
    median = alone[len(alone) // 2]
    seconds = median.pop("seconds")
    return {
        "step_s": step["seconds"],
        "roofline_s": seconds,
        "roofline_share": round(seconds / step["seconds"], 3),
        **median,
    }


if __name__ == "__main__":
    main()
