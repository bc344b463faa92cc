"""Peak memory of training steps against what the planner predicts.

    python benchmarks/model_sizes.py [--dtype bfloat16] [--presets NAME]

Trains GPT-3 Small and Medium for some steps at several batches, micro-batches,
rematerializations and contexts, each in a process of its own. A bare process
that has loaded TensorFlow and the package and run one tiny operation has its
own resident memory, which no planner of models knows: the prediction is
compared with the peak less that. Prints one JSON object: for each row the
prediction over the measured, and the worst of them.
"""

import argparse
import json

from harness.alternation import alternate
from harness.dtype_policies import POLICIES
from harness.progress import log
from harness.side_process import SideProcess
from harness.step_options import DTYPES
from harness.versions import versions

SMALL, MEDIUM = "gpt3_small_en", "gpt3_medium_en"
COLUMNS = (
    "preset",
    "batch_size",
    "micro_batch_size",
    "rematerialization",
    "length",
)
CONFIGURATIONS = (
    (SMALL, 1, None, "none", 2048),
    (SMALL, 1, None, "block", 2048),
    (SMALL, 4, 1, "none", 2048),
    (SMALL, 4, 2, "block", 2048),
    (SMALL, 8, 2, "none", 512),
    (SMALL, 1, None, "block", 4096),
    (MEDIUM, 1, None, "none", 1024),
    (MEDIUM, 1, None, "block", 2048),
    (MEDIUM, 4, 1, "block", 1024),
)


def main():
    """Measures all configurations and prints one JSON object."""
    arguments = parse_arguments()
    configurations = [
        dict(zip(COLUMNS, values, strict=True))
        | {"dtype": arguments.dtype, "num_layers": arguments.num_layers}
        for values in CONFIGURATIONS
        if values[0] in arguments.presets
    ]
    for configuration in configurations:
        if arguments.length is not None:
            configuration["length"] = arguments.length
    # All predictions first: an error in one must not cost the measurements.
    predictions = [predicted_bytes(x) for x in configurations]
    rows = [
        measure(configuration, prediction, arguments.repetitions)
        for configuration, prediction in zip(
            configurations, predictions, strict=True
        )
    ]
    ratios = [x["predicted_over_measured"] for x in rows if "error" not in x]
    report = {
        "benchmark": "model_sizes",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "rows": rows,
        "worst": max(ratios, key=lambda x: abs(x - 1), default=None),
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--presets", nargs="+", choices=[SMALL, MEDIUM], default=[SMALL, MEDIUM]
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument(
        "--length", type=int, help="of all rows; default: each its own"
    )
    parser.add_argument("--num-layers", type=int, help="default: the preset's")
    parser.add_argument(
        "--repetitions", type=int, default=1, help="after a first step"
    )
    return parser.parse_args()


def predicted_bytes(configuration):
    """What the planner says a configuration takes."""
    from keras_gpt3.planning import estimate_training_memory
    from keras_gpt3.preset_loader import load_shipped_preset

    config = dict(load_shipped_preset(configuration["preset"])["backbone"])
    config["max_sequence_length"] = configuration["length"]
    if configuration["num_layers"] is not None:
        config["num_layers"] = configuration["num_layers"]
    return estimate_training_memory(
        config,
        dtype=POLICIES[configuration["dtype"]],
        batch_size=configuration["batch_size"],
        length=configuration["length"],
        micro_batch_size=configuration["micro_batch_size"],
        rematerialization=configuration["rematerialization"],
    )["total"]


def measure(configuration, prediction, repetitions):
    """The peak memory of one configuration beside its prediction."""
    log(str(configuration))
    with SideProcess(
        configuration["preset"], "sides.keras_gpt3_side", configuration
    ) as side:
        result = alternate({"step": side}, repetitions)["step"]
        bare = side.ready.get("bare_bytes")
    if "error" in result:
        return configuration | result
    measured = result["peak_bytes"] - bare
    return configuration | {
        "predicted_bytes": prediction,
        "measured_bytes": measured,
        "peak_bytes": result["peak_bytes"],
        "bare_bytes": bare,
        "predicted_over_measured": round(prediction / measured, 3),
        "seconds": round(result["seconds"], 3),
    }


if __name__ == "__main__":
    main()
