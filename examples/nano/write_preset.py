"""Writes the model that was trained as the preset gpt3_nano_en, and tries it.

    python examples/nano/write_preset.py

The weights go to `presets/gpt3_nano_en`, in bfloat16, which halves their 28
MB; the model card there is written by hand, and stays. What they lose on all
of the held-out text, and what they answer to ten prompts, goes to `results.md`
beside this file: all ten, as they came.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gpt3

HERE = pathlib.Path(__file__).parent
TRAINED = "runs/nano/run/preset"
FOLDER = "presets/gpt3_nano_en"
SHARDS = pathlib.Path("runs/nano/shards")

PROMPTS = (
    "The people of the United States",
    "She was not",
    "The whale",
    "Once upon a time",
    "Our relations with Spain",
    "Mr. Darcy",
    "Berlin is",
    "I recommend to the Congress",
    "In the morning, the captain",
    "A triangle is",
)
CONTEXT = 256
ANSWER_TOKENS = 60


def main():
    """Writes the preset, and what it does."""
    model = keras_gpt3.GPT3.from_preset(TRAINED, dtype="bfloat16")
    model.save_to_preset(FOLDER)
    # The saved weights, with the arithmetic in float32.
    model = keras_gpt3.GPT3.from_preset(FOLDER, dtype="float32")
    results = HERE / "results.md"
    results.write_text(f"{loss_table(model)}\n{samples(model)}", "utf-8")
    print(f"Written to {FOLDER} and {results}")


def loss_table(model):
    """The loss by set, as a Markdown table."""
    model.compile()
    lines = ["| held-out text | tokens | loss, nats per token |"]
    lines += ["|---|---|---|"]
    for folder in sorted(SHARDS.glob("*/validation")):
        shards = keras_gpt3.data.TokenShards(folder)
        data = keras_gpt3.data.packed_dataset(
            shards, CONTEXT, batch_size=16, epochs=1
        )
        found = model.evaluate(data, verbose=0, return_dict=True)
        cells = f"{shards.num_tokens:,} | {found['loss']:.3f}"
        lines.append(f"| {folder.parent.name} | {cells} |")
    return "\n".join(lines) + "\n"


def samples(model):
    """What the model answers to the prompts, drawn once, as Markdown."""
    sampler = keras_gpt3.generation.SeededSampler(seed=0, top_p=0.9)
    model.compile(sampler=sampler)
    # One at a time: a seed draws the same for each row of a batch.
    answers = [
        model.generate(p, max_new_tokens=ANSWER_TOKENS, strip_prompt=True)
        for p in PROMPTS
    ]
    pairs = zip(PROMPTS, answers, strict=True)
    quotes = [f"**{prompt}**{answer}" for prompt, answer in pairs]
    lines = [f"> {text}".replace("\n", "\n> ") for text in quotes]
    return "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
