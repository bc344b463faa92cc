"""A SavedModel of stock TensorFlow operations. TensorFlow only."""

import pathlib

import keras
import rich.console
import tensorflow as tf

from keras_gpt3.export.text_signatures import TextSignatures
from keras_gpt3.export.token_signatures import generate_function
from keras_gpt3.export.token_signatures import logits_function
from keras_gpt3.ops.op_compilation import op_compilation


def export_saved_model(model, filepath, verbose=True):
    """Writes a model as a SavedModel with signatures for ids and texts.

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

    With a preprocessor also, all of them on string vectors `(batch,)`:

    - `tokenize`: `texts` to `token_ids` int32 `(batch, length)`, padded with 0,
      and `lengths` int32 `(batch,)`.
    - `generate`: `prompts`; `max_new_tokens` int32, `temperature` float32,
      `top_k` int32, `top_p` float32 (1 is all), `seed` int32, scalars; `stop`,
      a string vector, empty for none. Returns `texts`, what follows each
      prompt up to the end of text or the first stop string, which is cut off
      once the answer is there; `num_tokens` int32, those generated; and
      `finish_reason`, `"stop"` or `"length"`.
    - `score`: `contexts` and `continuations`, encoded apart, to
      `log_likelihood` float32 and `is_greedy` bool; see `GPT3.score`.

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
            fn=logits_function(model.backbone),
            input_signature=[_ids("token_ids")],
        )
        archive.add_endpoint(
            name="generate_tokens",
            fn=generate_function(model.backbone),
            input_signature=[
                _ids("token_ids"),
                tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
                tf.TensorSpec((), tf.float32, name="temperature"),
                tf.TensorSpec((), tf.int32, name="top_k"),
                tf.TensorSpec((), tf.int32, name="seed"),
                tf.TensorSpec((), tf.int32, name="end_token_id"),
            ],
        )
        names = ["logits", "generate_tokens"]
        if model.preprocessor is not None:
            texts = TextSignatures(model)
            archive.track(texts.encoding)
            for name, (function, signature) in texts.endpoints().items():
                archive.add_endpoint(
                    name=name, fn=function, input_signature=signature
                )
                names.append(name)
        # Keras would list every captured variable.
        archive.write_out(str(filepath), verbose=False)
    if verbose:
        # Not rich's own console, which keeps what its first output was like.
        rich.console.Console(soft_wrap=True).print(
            f"Wrote the SavedModel ({', '.join(names)}): {filepath}",
            markup=False,
            highlight=False,
        )
    return filepath


def _ids(name):
    return tf.TensorSpec((None, None), tf.int32, name=name)
