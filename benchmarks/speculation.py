"""Speculative decoding against plain decoding, one answer at a time.

    python benchmarks/speculation.py [--num-layers 12] [--prompt 256]
        [--new-tokens 64] [--repetitions 4]

An untrained model of GPT-3 Small's size, its head tied, continues a random
prompt. Three kinds of text: its greedy answer runs into a cycle and repeats;
draws at temperature 1 repeat nothing; draws among 8 tokens alone repeat pairs
of tokens all the time, but what follows is another token in 7 of 8 cases, so
that drafts are there and wrong. The draft model has the first layer of the
large one, and its embeddings.

Sides take turns in one process, after a call of each that compiles; the least
time of each counts, since others may use the machine. Prints one JSON object:
tokens a second of the whole of `generate`, prompt included, those of a side
with drafts over those of the plain one, the share of drafts that was accepted,
and whether the tokens are the same.
"""

import argparse
import json
import time

import numpy as np
from harness.versions import versions

DRAWN = {"temperature": 1.0, "seed": 1}


def main():
    """Measures all texts and prints one JSON object."""
    arguments = parse_arguments()
    model, assistant = models(arguments.num_layers)
    vocabulary = model.backbone.vocabulary_size
    generator = np.random.default_rng(0)
    shape = (1, arguments.prompt + arguments.new_tokens)
    ids = generator.integers(vocabulary, size=shape, dtype="int32")
    mask = np.arange(shape[1])[None] < arguments.prompt
    few = {int(i): 100.0 for i in generator.integers(vocabulary, size=8)}
    texts = {
        "repeats": {"temperature": 0.0},
        "does not repeat": DRAWN,
        "misleads": DRAWN | {"logit_bias": few},
    }
    sides = {
        "plain": {},
        "prompt": {"speculative": "prompt"},
        "assistant": {"assistant": assistant},
    }
    inputs = {"token_ids": ids, "padding_mask": mask}
    rows = {
        name: measure(model, inputs, settings, sides, arguments)
        for name, settings in texts.items()
    }
    report = {
        "benchmark": "speculation",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments),
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=4)
    return parser.parse_args()


def models(num_layers):
    """A model, and one of its first layer."""
    import keras

    import keras_gpt3

    keras.utils.set_random_seed(0)
    large, small = (
        keras_gpt3.GPT3.from_preset(
            "gpt3_small_en", preprocessor=None, num_layers=count
        )
        for count in (num_layers, 1)
    )
    names = {weight.path.split("/", 1)[1]: weight for weight in large.weights}
    for weight in small.weights:
        weight.assign(names[weight.path.split("/", 1)[1]])
    return large, small


def measure(model, inputs, settings, sides, arguments):
    """One text: all sides in turn."""
    seconds = {name: [] for name in sides}
    tokens, counts = {}, {}
    for number in range(arguments.repetitions + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            answer = model.generate(
                inputs, stop_token_ids=None, **settings, **side
            )
            # The first call compiles.
            if number:
                seconds[name].append(time.perf_counter() - start)
            tokens[name], counts[name] = answer["token_ids"], model.speculation
    plain = min(seconds["plain"])
    return {
        name: {
            "tokens_per_second": round(
                arguments.new_tokens / min(seconds[name]), 2
            ),
            "speed": round(plain / min(seconds[name]), 3),
            "all_seconds": [round(x, 4) for x in seconds[name]],
            "same_tokens": bool((tokens[name] == tokens["plain"]).all()),
            **counts[name]._asdict(),
        }
        for name in sides
    }


if __name__ == "__main__":
    main()
