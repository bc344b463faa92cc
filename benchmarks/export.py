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
import gzip
import json
import pathlib
import tempfile

import numpy as np
from harness.alternation import alternate
from harness.alternation import ratio
from harness.progress import log
from harness.side_process import SideProcess
from harness.versions import versions
from sides.export_side import FORMATS

CORPUS = pathlib.Path(__file__).parents[1] / "examples/data/speeches.jsonl.gz"
CONTEXT = 128
BATCH_SIZE = 8


def main():
    """Trains, measures all formats and prints one JSON object."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        quality = train(pathlib.Path(folder), arguments)
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


def train(folder, arguments):
    """Trains a small model; where it and the text held out are."""
    import keras

    import keras_gpt3

    keras.utils.set_random_seed(1)
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        documents = [json.loads(line)["text"] for line in lines]
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    kept, held_out = (
        keras_gpt3.data.write_token_shards(texts, folder / name, tokenizer)
        for name, texts in (
            ("train", [x for i, x in enumerate(documents) if i % 20]),
            ("held_out", documents[::20]),
        )
    )
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        preprocessor=None,
        num_layers=4,
        num_heads=4,
        hidden_dim=128,
        intermediate_dim=512,
        max_sequence_length=CONTEXT,
        attention_window=32,
    )
    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=BATCH_SIZE * CONTEXT,
        learning_rate=4e-3,
        total_tokens=arguments.steps * BATCH_SIZE * CONTEXT,
    )
    model.compile(optimizer=recipe.optimizer())
    log(f"training for {recipe.num_steps} steps")
    model.fit(
        keras_gpt3.data.packed_dataset(kept, CONTEXT, BATCH_SIZE),
        steps_per_epoch=recipe.num_steps,
        verbose=0,
    )
    model.save_to_preset(folder / "trained")
    batches = keras_gpt3.data.packed_dataset(held_out, CONTEXT, 64).take(1)
    ((inputs, labels),) = batches.as_numpy_iterator()
    contexts = np.concatenate([inputs["token_ids"], labels[:, -1:]], axis=1)
    np.save(folder / "contexts.npy", contexts)
    return {
        "trained": str(folder / "trained"),
        "held_out": str(folder / "contexts.npy"),
    }


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
