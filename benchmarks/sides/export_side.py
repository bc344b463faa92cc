"""An exported model that answers a prompt, or that is asked its perplexity."""

import pathlib
import tempfile

import numpy as np
from harness.side_server import serve

FORMATS = ("float32", "bfloat16", "int8", "int4")


def build(
    format="float32",
    preset="gpt3_small_en",
    num_layers=12,
    batch_size=1,
    prompt_words=256,
    new_tokens=32,
    trained=None,
    held_out=None,
):
    """Exports a model, loads it, and asks it.

    Args:
        format: string. How the weights are stored, one of `FORMATS`.
        preset: string. Defaults to `"gpt3_small_en"`.
        num_layers: int. Defaults to `12`.
        batch_size: int. Prompts at a time. Defaults to `1`.
        prompt_words: int. About the tokens of a prompt. Defaults to `256`.
        new_tokens: int. Tokens generated for each. Defaults to `32`.
        trained: string. The folder of a trained model without a preprocessor,
            whose perplexity is measured. Defaults to `None`.
        held_out: string. A `.npy` of its contexts, `(n, length + 1)`.

    Returns:
        A pair of the step, a callable that generates, and a dict of facts.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        version = make_model(preset, format, num_layers=num_layers).export(
            folder, verbose=False
        )
        facts = {"disk_bytes": num_bytes(version)}
        signature = tf.saved_model.load(str(version)).signatures["generate"]
    if trained is not None:
        facts["perplexity"] = perplexity(trained, format, np.load(held_out))
    prompts = tf.constant([" ".join(["word"] * prompt_words)] * batch_size)

    def generate():
        # In Python, a loaded signature knows no defaults.
        answer = signature(
            prompts=prompts,
            max_new_tokens=tf.constant(new_tokens),
            temperature=tf.constant(0.0),
            top_k=tf.constant(0),
            top_p=tf.constant(1.0),
            seed=tf.constant(0),
            truncate=tf.constant(""),
            stop=tf.constant([], tf.string),
        )
        # An end of text would end the loop early.
        return int(np.sum(answer["num_tokens"]))

    return generate, facts


def make_model(preset, format, num_layers=None):
    """A model whose weights are stored in a format."""
    import keras_gpt3
    from keras_gpt3.cli.model_loading import load_model

    dtype = "bfloat16" if format == "bfloat16" else "float32"
    bits = format if format.startswith("int") else None
    if num_layers is None:
        return load_model(preset, dtype, bits)
    with tempfile.TemporaryDirectory() as folder:
        model = keras_gpt3.GPT3.from_preset(preset, num_layers=num_layers)
        model.save_to_preset(folder)
        return load_model(folder, dtype, bits)


def num_bytes(folder):
    """The bytes of all files of a folder."""
    files = pathlib.Path(folder).rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def perplexity(trained, format, contexts):
    """The perplexity of held-out text, from the export's own logits."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        version = make_model(trained, format).export(folder, verbose=False)
        logits = tf.saved_model.load(str(version)).signatures["logits"]
        losses = []
        for row in contexts:
            answer = logits(token_ids=tf.constant(row[tf.newaxis, :-1]))
            losses += (
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    row[tf.newaxis, 1:], answer["logits"]
                )
                .numpy()[0]
                .tolist()
            )
    return float(np.exp(np.mean(losses)))


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras", "tensorflow")
