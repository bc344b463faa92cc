"""From a corpus to a trained, sampled and exported GPT-3.

    make quickstart            # or: python examples/quickstart.py

On 2 CPU cores it takes about 4 minutes. It trains a small GPT-3 (4 layers,
dense and banded in turn) on presidential speeches, on two replicas. Expect the
validation loss to fall from 10.8 to below 6.5 nats per token. Everything is
written to `runs/quickstart`.
"""

import gzip
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_gpt3
from keras_gpt3.reporting import figures

CORPUS = pathlib.Path(__file__).parent / "data" / "speeches.jsonl.gz"
OUT = pathlib.Path("runs/quickstart")
PROMPT = "The people of the United States"
WRITTEN = (
    "shards/train",
    "shards/validation",
    "curves.png",
    "preset",
    "saved_model",
)
CONTEXT = 128  # Tokens.
BATCH_SIZE = 4  # Sequences.

# A bar on a terminal, a line an epoch in a log.
VERBOSE = 1 if sys.stdout.isatty() else 2

# What a process without this package does with the exported model.
SERVE = """
import sys
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
answer = model.generate(
    tf.constant([sys.argv[2]]),
    max_new_tokens=tf.constant(64),
    temperature=tf.constant(0.8),
    top_k=tf.constant(40),
    seed=tf.constant(7),
)
sys.stdout.buffer.write(answer["texts"].numpy()[0])
"""


def main():
    """Runs the whole example."""
    train, validation = write_shards()
    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=BATCH_SIZE * CONTEXT,
        learning_rate=4e-3,
        total_tokens=200_000,
        warmup_tokens=10_000,
    )
    model = build_model(recipe)

    # === Training ===
    before = validation_loss(model, validation)
    curve = Curve()
    model.fit(
        keras_gpt3.data.packed_dataset(train, CONTEXT, BATCH_SIZE),
        steps_per_epoch=recipe.num_steps,
        callbacks=[curve],
        verbose=VERBOSE,
    )
    after = validation_loss(model, validation)
    curve.plot(OUT / "curves.png", recipe.batch_tokens)

    # === Sampling, saving, serving ===
    answer = model.generate(PROMPT, max_new_tokens=64)
    model.save_to_preset(OUT / "preset")
    served = served_answer(model.export(OUT / "saved_model"))
    print(f"\nFrom the model:      {answer}")
    print(f"\nFrom the SavedModel: {served}")
    print(f"\nValidation loss per token: {before:.3f} -> {after:.3f}")
    print("\nWritten:")
    for name in WRITTEN:
        print(f"  {OUT / name}")
    if answer != served:
        sys.exit("The exported model's answer differs from the live model's.")


def write_shards():
    """Tokenizes the corpus; every 40th document is held out."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        documents = [json.loads(line)["text"] for line in lines]
    held_out = documents[::40]
    kept = [text for i, text in enumerate(documents) if i % 40]
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    train, validation = (
        keras_gpt3.data.write_token_shards(
            texts, OUT / "shards" / name, tokenizer, overwrite=True
        )
        for name, texts in (("train", kept), ("validation", held_out))
    )
    print(
        f"{train.num_tokens:,} tokens to train, "
        f"{validation.num_tokens:,} to validate."
    )
    return train, validation


def build_model(recipe):
    """A small GPT-3 on two logical CPU devices, or on all GPUs."""
    strategy = keras_gpt3.parallel.mirrored_strategy(cpu_replicas=2)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras_gpt3.GPT3.from_preset(
            "gpt3_small_en",
            num_layers=4,
            num_heads=4,
            hidden_dim=128,
            intermediate_dim=512,
            max_sequence_length=CONTEXT,
            attention_window=32,
        )
        sampler = keras_gpt3.generation.SeededSampler(
            temperature=0.8, top_k=40, seed=7
        )
        model.compile(optimizer=recipe.optimizer(), sampler=sampler)
    return model


def validation_loss(model, shards):
    """Mean loss per token over all held-out documents."""
    batches = keras_gpt3.data.packed_dataset(shards, CONTEXT, 8, epochs=1)
    return model.evaluate(batches, verbose=VERBOSE, return_dict=True)["loss"]


class Curve(keras.callbacks.Callback):
    """Keeps the loss and the learning rate of every step."""

    def on_train_begin(self, logs=None):
        self.loss, self.learning_rate, self._mean = [], [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        # Keras logs the mean over the epoch so far; the difference of two
        # sums is the loss of the batch.
        total, before = logs["loss"] * (batch + 1), self._mean * batch
        self.loss.append(total - before)
        self.learning_rate.append(logs["learning_rate"])
        self._mean = logs["loss"]

    def plot(self, path, batch_tokens):
        """Draws both curves over the tokens seen."""
        tokens = batch_tokens * np.arange(1, len(self.loss) + 1)
        rate = figures.Curve(tokens, np.array(self.learning_rate))
        panels = (
            figures.Panel(
                "Loss (nats per token)",
                figures.noisy_curve(tokens, np.array(self.loss), "training"),
                height=2,
            ),
            figures.Panel("Learning rate", (rate,), from_zero=True),
        )
        figures.plot_panels(panels, "Tokens seen", path=path)


def served_answer(folder):
    """Asks the exported model, in a process of its own."""
    command = [sys.executable, "-c", SERVE, str(folder), PROMPT]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return PROMPT + done.stdout.decode()


if __name__ == "__main__":
    main()
