"""What weights of fewer bits do for a server's steps: float32, bfloat16, int8.

    python benchmarks/slots.py [--num-layers 12] [--slots 1 8 32]
        [--repetitions 10]

Models of GPT-3 Small's size advance all slots by a token, through the functions
that an export holds for continuous batching: TensorFlow's own operations, not
XLA. Sides take turns in one process; the least time of each counts, since
others may use the machine. "read" is a prompt of 256 tokens that a slot reads.
Prints one JSON object: milliseconds, and float32's over those of each side.
"""

import argparse
import json
import time

import numpy as np
from harness.progress import log
from harness.versions import versions

DTYPES = {"float32": None, "bfloat16": None, "int8": "int8"}
PROMPT = 256


def main():
    """Measures all sides and prints one JSON object."""
    arguments = parse_arguments()
    sides = {}
    for dtype in arguments.dtypes:
        log(f"tracing {dtype}")
        sides[dtype] = Side(dtype, arguments.num_layers)
    rows = [measure(sides, n, arguments.repetitions) for n in arguments.slots]
    report = {
        "benchmark": "slots",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments),
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument(
        "--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES)
    )
    parser.add_argument("--repetitions", type=int, default=10)
    return parser.parse_args()


class Side:
    """The functions of slots of a model."""

    def __init__(self, dtype, num_layers):
        import tensorflow as tf

        import keras_gpt3
        from keras_gpt3.export.slot_signatures import SlotSignatures
        from keras_gpt3.ops.op_compilation import op_compilation

        mode = DTYPES[dtype]
        model = keras_gpt3.GPT3.from_preset(
            "gpt3_small_en",
            preprocessor=None,
            num_layers=num_layers,
            dtype="float32" if mode else dtype,
        )
        if mode:
            model.quantize(mode)
        self._signatures = SlotSignatures(model.backbone)
        with op_compilation(False):
            self._functions = {
                name: tf.function(function, specs, autograph=False)
                for name, (function, specs) in (
                    self._signatures.endpoints().items()
                )
            }
            for function in self._functions.values():
                function.get_concrete_function()

    def resize(self, count):
        """Have empty slots of two prompts' length."""
        self._call("resize_slots", 0, 2 * PROMPT, 0)
        self._call("resize_slots", count, 2 * PROMPT, 0)

    def read(self):
        """Read a prompt into the first slot."""
        ids = np.arange(PROMPT)
        self._call("read_into_slot", 0, 0, ids)["keys"].numpy()

    def step(self, count):
        """Advance all slots, greedily."""
        ones, none = np.ones(count), np.zeros((count, 0))
        specs = self._functions["step_slots"].input_signature
        inputs = dict.fromkeys((spec.name for spec in specs), np.zeros(count))
        inputs |= dict.fromkeys(("history", "bias_token_ids", "biases"), none)
        inputs |= dict.fromkeys(("top_p", "repetition_penalty"), ones)
        inputs |= {"index": PROMPT * ones, "num_top": -1}
        values = [inputs[spec.name] for spec in specs]
        self._call("step_slots", *values)["token_ids"].numpy()

    def _call(self, name, *inputs):
        import tensorflow as tf

        function = self._functions[name]
        dtypes = (spec.dtype for spec in function.input_signature)
        return function(*map(tf.constant, inputs, dtypes))


def measure(sides, count, repetitions):
    """The row of a number of slots."""
    log(f"measuring {count} slots")
    seconds = {(name, part): [] for name in sides for part in ("step", "read")}
    for side in sides.values():
        side.resize(count)
    for number in range(repetitions + 1):
        for name, side in sides.items():
            parts = {"step": lambda side=side: side.step(count)}
            parts["read"] = side.read
            for part, run in parts.items():
                start = time.perf_counter()
                run()
                if number:
                    taken = time.perf_counter() - start
                    seconds[name, part].append(taken)
    least = {key: min(values) for key, values in seconds.items()}
    first = next(iter(sides))
    return {"slots": count} | {
        name: {
            f"{part}_ms": round(1000 * least[name, part], 2)
            for part in ("step", "read")
        }
        | {
            f"{part}_speed": round(least[first, part] / least[name, part], 2)
            for part in ("step", "read")
        }
        for name in sides
    }


if __name__ == "__main__":
    main()
