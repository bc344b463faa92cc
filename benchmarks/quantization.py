"""What fewer bits cost and save: bytes, perplexity, tokens a second.

    python benchmarks/quantization.py [--steps 300] [--modes float32 gptq]

The paper's weights were not published, so a small model is trained here for
some hundred steps on the sample speeches; every 20th speech is held out. It is
then stored in each mode: bfloat16, int8 and int4 weights (activations as they
are), "int8_activations", Keras' plain `quantize("int8")`, which rounds
activations too, and gptq and awq, calibrated on text of the training, with the
tables, which these leave alone, in int8. Each is saved, loaded by another
process, and exported. Prints one JSON object, a row for each: bytes of the
weights in memory, of the preset's and of the SavedModel's weights; perplexity
of held-out text and of the training's; tokens a second of `generate`, live and
exported, whose sides take turns; and how many of the greedy tokens after a
prompt the loaded and the exported model have in common with the live one.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from harness.progress import log
from harness.small_training import BATCH_SIZE
from harness.small_training import train
from harness.versions import versions
from keras import ops
from keras import quantizers

import keras_gpt3

SIZE = {
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 256,
    "intermediate_dim": 1024,
    "attention_window": 32,
}
INT8 = quantizers.Int8QuantizationConfig(activation_quantizer=None)
MODES = (
    *("float32", "bfloat16", "int8", "int8_activations", "int4"),
    *("gptq", "awq"),
)
CALIBRATED = {"gptq": quantizers.GPTQConfig, "awq": quantizers.AWQConfig}
NEW_TOKENS = 64


def main():
    """Trains, measures all modes and prints one JSON object."""
    arguments = parse_arguments()
    if arguments.reload:
        print(json.dumps(reload(arguments.reload, arguments.modes)))
        return
    with tempfile.TemporaryDirectory() as folder:
        count = arguments.contexts
        trained, held_out, kept = train(
            folder, arguments.steps, arguments.context, count, SIZE
        )
        sides = {
            mode: Side(mode, trained, held_out, kept)
            for mode in arguments.modes
        }
        reloaded = in_another_process(trained.parent, arguments.modes)
        take_turns(sides.values(), arguments.repetitions)
        rows = [side.row(reloaded[mode]) for mode, side in sides.items()]
    for row in rows:
        row["to_the_first"] = ratios(row, rows[0])
    report = {
        "benchmark": "quantization",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments) | SIZE,
        "tokens": int(held_out[:, 1:].size),
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--contexts", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--reload", help=argparse.SUPPRESS)
    return parser.parse_args()


class Side:
    """A model in one mode: live, saved and exported."""

    def __init__(self, mode, trained, held_out, kept):
        log(f"making {mode}")
        self.mode, self.seconds = mode, {"live": [], "exported": []}
        self.model = quantized(mode, trained, kept)
        self.perplexities = {
            "held_out": perplexity(self.model, held_out),
            "trained": perplexity(self.model, kept),
        }
        self.prompt = held_out[:1, :NEW_TOKENS]
        self.digest = digest(self.model, self.prompt)
        preset, exported = (trained.parent / x / mode for x in ("saved", "out"))
        np.save(trained.parent / "prompt.npy", self.prompt)
        self.model.save_to_preset(preset)
        log(f"exporting {mode}")
        version = self.model.export(exported, verbose=False)
        self.bytes = {
            "memory": weight_bytes(self.model),
            "preset": (preset / "model.weights.h5").stat().st_size,
            "saved_model": sum(
                x.stat().st_size for x in (version / "variables").iterdir()
            ),
            "graph": (version / "saved_model.pb").stat().st_size,
        }
        self._loaded = tf.saved_model.load(str(version))
        self.steps = {
            "live": lambda: live_tokens(self.model, self.prompt),
            "exported": lambda: exported_tokens(self._loaded, self.prompt),
        }
        # The first call compiles.
        self.tokens = {name: step() for name, step in self.steps.items()}

    def row(self, reloaded):
        """What is reported."""
        live = self.tokens["live"]
        return {
            "mode": self.mode,
            "bytes": self.bytes,
            "perplexity": {
                name: round(x, 3) for name, x in self.perplexities.items()
            },
            "tokens_per_second": {
                name: round(NEW_TOKENS / statistics.median(x), 1)
                for name, x in self.seconds.items()
            },
            "same_tokens": {
                "reloaded": same_tokens(live, reloaded["tokens"]),
                "exported": same_tokens(live, self.tokens["exported"]),
                "of": NEW_TOKENS,
            },
            "reloaded_logits_are_the_same_bits": (
                reloaded["digest"] == self.digest
            ),
        }


def quantized(mode, trained, kept):
    """The trained model in a mode."""
    dtype = "bfloat16" if mode == "bfloat16" else None
    model = keras_gpt3.GPT3.from_preset(
        str(trained), preprocessor=None, dtype=dtype
    )
    if mode == "int8":
        model.quantize(config=INT8)
    elif mode == "int8_activations":
        model.quantize("int8")
    elif mode == "int4":
        model.quantize("int4")
    elif mode in CALIBRATED:
        length = kept.shape[1] - 1
        config = CALIBRATED[mode](
            [kept[:, :-1]],
            "none: these are token ids",
            num_samples=len(kept),
            sequence_length=length,
            group_size=128,
        )
        with contextlib.redirect_stdout(sys.stderr):  # Keras' progress.
            model.quantize(config=config)
        model.quantize(config=INT8, filters="embedding$|table")
    model.compile(sampler="greedy")
    return model


def reload(folder, modes):
    """What the saved models say in this process."""
    folder, found = pathlib.Path(folder), {}
    prompt = np.load(folder / "prompt.npy")
    for mode in modes:
        model = keras_gpt3.GPT3.from_preset(
            str(folder / "saved" / mode), preprocessor=None
        )
        model.compile(sampler="greedy")
        found[mode] = {
            "digest": digest(model, prompt),
            "tokens": live_tokens(model, prompt).tolist(),
        }
    return found


def in_another_process(folder, modes):
    """What `reload` gives there."""
    log("loading in another process")
    command = [sys.executable, __file__, "--reload", folder, "--modes", *modes]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(answer.stdout.splitlines()[-1])


def take_turns(sides, repetitions):
    """Time the sides' answers, one of each in every round."""
    for repetition in range(repetitions):
        log(f"round {repetition + 1} of {repetitions}")
        for side in sides:
            for name, step in side.steps.items():
                start = time.perf_counter()
                step()
                side.seconds[name].append(time.perf_counter() - start)


def as_inputs(prompt):
    """A prompt with room for the answer."""
    ids = np.pad(prompt, [[0, 0], [0, NEW_TOKENS]])
    mask = np.arange(ids.shape[1])[None] < prompt.shape[1]
    return {"token_ids": ids, "padding_mask": mask}


def live_tokens(model, prompt):
    """The live model's greedy answer."""
    answer = model.generate(as_inputs(prompt), stop_token_ids=None)
    return np.array(answer["token_ids"])[0, prompt.shape[1] :]


def exported_tokens(loaded, prompt):
    """The SavedModel's."""
    inputs = {key: tf.constant(x) for key, x in as_inputs(prompt).items()}
    answer = loaded.signatures["generate_tokens"](
        **inputs,
        temperature=tf.constant(0.0),
        top_k=tf.constant(0),
        seed=tf.constant(0),
        end_token_id=tf.constant(-1),
    )
    return answer["token_ids"].numpy()[0, prompt.shape[1] :]


def same_tokens(tokens, others):
    """How many come before the first that differs."""
    differs = np.flatnonzero(np.asarray(tokens) != np.asarray(others))
    return int(differs[0]) if len(differs) else len(tokens)


def digest(model, prompt):
    """A hash of all bits of the logits."""
    scores = ops.convert_to_numpy(ops.cast(logits(model, prompt), "float32"))
    return hashlib.sha256(scores.tobytes()).hexdigest()


def logits(model, token_ids):
    """The scores after each token."""
    hidden_states = model.backbone(
        {
            "token_ids": token_ids,
            "padding_mask": np.ones(token_ids.shape, "bool"),
        }
    )
    return model.backbone.logits(hidden_states)


def perplexity(model, contexts):
    """Of each token after the first of its context, given those before."""
    losses = []
    for start in range(0, len(contexts), BATCH_SIZE):
        batch = contexts[start : start + BATCH_SIZE]
        scores = ops.cast(logits(model, batch[:, :-1]), "float32")
        losses.append(
            ops.convert_to_numpy(
                keras.losses.sparse_categorical_crossentropy(
                    batch[:, 1:], scores, from_logits=True
                )
            )
        )
    return math.exp(np.concatenate(losses).mean(dtype="float64"))


def weight_bytes(model):
    """Of all weights, as they lie in memory; two int4 share a byte."""
    return sum(
        int(np.prod(weight.shape)) * weight.value.dtype.size
        for weight in model.weights
    )


def ratios(row, first):
    """A row's figures as ratios to the first row's."""
    return {
        group: {
            name: round(row[group][name] / first[group][name], 4)
            for name in row[group]
        }
        for group in ("bytes", "perplexity", "tokens_per_second")
    }


if __name__ == "__main__":
    main()
