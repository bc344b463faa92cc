"""A SavedModel of stock TensorFlow operations. TensorFlow only."""

import pathlib

import keras
import rich
import tensorflow as tf

from keras_gpt3.generation.decode_loop import decode
from keras_gpt3.generation.decode_loop import mask_up_to_stop
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.op_compilation import op_compilation
from keras_gpt3.ops.sequence_length_check import check_context
from keras_gpt3.ops.token_id_check import check_token_ids


def export_saved_model(model, filepath, verbose=True):
    """Writes a model as a SavedModel with signatures for token ids.

    The graph holds no XLA operation, no operation of another package and no
    Python function, so that stock TensorFlow Serving runs it. The signatures:

    - `logits`: `token_ids` int32 `(batch, length)`, padded on the right, to
      `logits` float32 `(batch, length, vocabulary_size)`.
    - `generate_tokens`: `token_ids` int32 and `padding_mask` bool, each
      `(batch, length)`, padded on the right up to the length that prompt and
      answer may have together; scalars `temperature` float32 (0 is greedy),
      `top_k` int32 (0 is all), `seed` int32 and `end_token_id` int32 (-1 goes
      on to the full length). Returns `token_ids` and `padding_mask`, the mask
      up to the end of each answer.

    Args:
        model: `GPT3`.
        filepath: string or path. The folder to write.
        verbose: bool. Whether to say what was written. Defaults to `True`.

    Returns:
        The folder, as a `pathlib.Path`.

    Raises:
        ValueError: If the backend is not TensorFlow.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.export import export_saved_model

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=64,
        max_sequence_length=32,
    )
    export_saved_model(keras_gpt3.GPT3(backbone), "exported")
    ```
    """
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            "A SavedModel can only be exported from the TensorFlow backend. "
            f"Received: backend={keras.config.backend()!r}. Save with "
            "save_to_preset, and load and export under KERAS_BACKEND="
            "tensorflow."
        )
    filepath = pathlib.Path(filepath)
    archive = keras.export.ExportArchive()
    archive.track(model.backbone)
    with op_compilation(False):
        archive.add_endpoint(
            name="logits",
            fn=_logits_function(model.backbone),
            input_signature=[_ids("token_ids")],
        )
        archive.add_endpoint(
            name="generate_tokens",
            fn=_generate_function(model.backbone),
            input_signature=[
                _ids("token_ids"),
                tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
                tf.TensorSpec((), tf.float32, name="temperature"),
                tf.TensorSpec((), tf.int32, name="top_k"),
                tf.TensorSpec((), tf.int32, name="seed"),
                tf.TensorSpec((), tf.int32, name="end_token_id"),
            ],
        )
        # Keras would list every captured variable.
        archive.write_out(str(filepath), verbose=False)
    if verbose:
        rich.print(
            f"Wrote the SavedModel (logits, generate_tokens): {filepath}"
        )
    return filepath


def _ids(name):
    return tf.TensorSpec((None, None), tf.int32, name=name)


def _logits_function(backbone):
    """Token ids to logits."""

    def logits(token_ids):
        token_ids = check_token_ids(token_ids, backbone.vocabulary_size)
        token_ids = check_context(token_ids, backbone.max_sequence_length)
        mask = tf.ones_like(token_ids, tf.bool)
        hidden = backbone({"token_ids": token_ids, "padding_mask": mask})
        return {"logits": tf.cast(backbone.logits(hidden), tf.float32)}

    return logits


def _generate_function(backbone):
    """Token ids to token ids, through the cache."""

    def next_logits(token_ids, cache, index):
        states, cache = backbone.decode_position(token_ids, cache, index)
        return backbone.logits(states), cache

    def generate_tokens(
        token_ids, padding_mask, temperature, top_k, seed, end_token_id
    ):
        def choose(logits, index):
            return choose_token(logits, index, temperature, top_k, seed)

        token_ids = _checked_prompt(token_ids, padding_mask, backbone)
        shape = tf.shape(token_ids)
        lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
        start = tf.reduce_min(lengths)
        _, cache = backbone.prefill(token_ids, shape[1], start)
        stops = [end_token_id]
        answer = decode(
            next_logits, choose, token_ids, padding_mask, cache, stops
        )
        mask = mask_up_to_stop(answer, padding_mask, stops)
        return {"token_ids": answer, "padding_mask": mask}

    return generate_tokens


def _checked_prompt(token_ids, padding_mask, backbone):
    """The prompt behind its checks, with zeros for padding."""
    token_ids = tf.where(padding_mask, token_ids, 0)
    token_ids = check_token_ids(token_ids, backbone.vocabulary_size)
    token_ids = check_context(token_ids, backbone.max_sequence_length)
    length = tf.shape(padding_mask)[1]
    prompt_lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
    token_ids = assert_in_graph(
        token_ids,
        tf.reduce_all(prompt_lengths > 0),
        "A prompt must have at least one token. Received: length=",
        tf.reduce_min(prompt_lengths),
        ". Start with the end-of-text id to start from nothing.",
    )
    on_the_right = tf.sequence_mask(prompt_lengths, length)
    return assert_in_graph(
        token_ids,
        tf.reduce_all(padding_mask == on_the_right),
        "Padding must stand behind the prompt. Received: padding_mask=",
        padding_mask,
        ". Pad on the right.",
    )
