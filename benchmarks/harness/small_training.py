"""A small trained model, for what fewer bits cost in quality."""

import gzip
import json
import pathlib

import numpy as np

from harness.progress import log

CORPUS = pathlib.Path(__file__).parents[2] / "examples/data/speeches.jsonl.gz"
BATCH_SIZE = 8
SIZE = {
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 128,
    "intermediate_dim": 512,
    "attention_window": 32,
}


def train(folder, steps, context, num_contexts, size=SIZE):
    """Trains a small model on the sample speeches; every 20th is held out.

    Args:
        folder: path. Where the shards are written, and the model: in the
            folder `trained` there, without a preprocessor.
        steps: int. The steps of the training.
        context: int. Tokens of a context.
        num_contexts: int. How many contexts of text are wanted.
        size: dict. Arguments of the backbone. Defaults to `SIZE`.

    Returns:
        A triple of the trained model's folder, a `pathlib.Path`, and two int32
        arrays of shape `(num_contexts, context + 1)`, of held-out text and of
        text that it was trained on.
    """
    import keras

    import keras_gpt3

    keras.utils.set_random_seed(1)
    folder = pathlib.Path(folder)
    kept, held_out = _shards(folder)
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en", preprocessor=None, max_sequence_length=context, **size
    )
    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=BATCH_SIZE * context,
        learning_rate=4e-3,
        total_tokens=steps * BATCH_SIZE * context,
    )
    model.compile(optimizer=recipe.optimizer())
    log(f"training for {recipe.num_steps} steps")
    model.fit(
        keras_gpt3.data.packed_dataset(kept, context, BATCH_SIZE),
        steps_per_epoch=recipe.num_steps,
        verbose=0,
    )
    model.save_to_preset(folder / "trained")
    contexts = (_contexts(x, context, num_contexts) for x in (held_out, kept))
    return folder / "trained", *contexts


def _contexts(shards, context, number):
    import keras_gpt3

    batches = keras_gpt3.data.packed_dataset(shards, context, number)
    ((inputs, labels),) = batches.take(1).as_numpy_iterator()
    return np.concatenate([inputs["token_ids"], labels[:, -1:]], axis=1)


def _shards(folder):
    """Token shards of the speeches, and of those held out."""
    import keras_gpt3

    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        documents = [json.loads(line)["text"] for line in lines]
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    parts = {
        "train": [x for i, x in enumerate(documents) if i % 20],
        "held_out": documents[::20],
    }
    return [
        keras_gpt3.data.write_token_shards(texts, folder / name, tokenizer)
        for name, texts in parts.items()
    ]
