"""A SavedModel of stock TensorFlow operations. TensorFlow only."""

import rich.console
import tensorflow as tf

from keras_gpt3.backend_check import require_backend
from keras_gpt3.export.per_row_options import endpoint
from keras_gpt3.export.serving_bundle import check_served_as
from keras_gpt3.export.serving_bundle import write_serving_bundle
from keras_gpt3.export.serving_files import BatchingParameters
from keras_gpt3.export.serving_files import write_warmup_requests
from keras_gpt3.export.slot_signatures import SlotSignatures
from keras_gpt3.export.text_signatures import TextSignatures
from keras_gpt3.export.token_signatures import TokenSignatures
from keras_gpt3.export.version_folder import write_metadata
from keras_gpt3.export.version_folder import write_version
from keras_gpt3.ops.op_compilation import op_compilation


def export_saved_model(
    model, filepath, version=None, name="gpt3", base_path=None, verbose=True
):
    """Write a model as a SavedModel with signatures for ids and texts.

    The graph has no XLA operation, no operation of another package and no
    Python function: stock TensorFlow Serving runs it. Weights are stored as
    they are in memory: bfloat16, and int8 after `quantize`, halve and quarter
    the file.

    The SavedModel is `filepath/1`, that of the next call `filepath/2`, and so
    on: `filepath` is what TensorFlow Serving calls a base path. A version is
    written under a hidden name and renamed once, so a server that watches
    the folder never sees half a model, and a killed export leaves none.

    Beside the versions are a server's `models.config`, `batching.config` and
    `monitoring.config`; batches are sized by the model. In each version,
    `assets.extra` has `tf_serving_warmup_requests`, by which the server answers
    a request of every batch size before it offers the version, and
    `keras_gpt3.json`, with the context's length and the size of each file.

    The signatures on ids:

    - `logits`: `token_ids` int32 `(batch, length)`, padded on the right, to
      `logits` float32 `(batch, length, vocabulary_size)`.
    - `score_tokens`: `token_ids` int32 `(batch, length)`, padded on the right,
      `lengths` int32 `(batch,)` and the int32 scalar `number`. Returns
      `log_probabilities` float32 `(batch, length)`, each token's given those
      before it, 0 for the first and for padding; and of the `number` most
      likely ids at each place `top_token_ids` int32 and
      `top_log_probabilities` float32 `(batch, length, number)`. The logits
      exist for some positions at a time.
    - `generate_tokens`: `token_ids` int32 and `padding_mask` bool, each
      `(batch, length)`, padded on the right up to the length that prompt and
      answer may have together; scalars `temperature` float32 (0 is greedy),
      `top_k` int32 (0 is all), `seed` int32 and `end_token_id` int32 (-1 for
      none). Returns `token_ids` and `padding_mask`, the mask up to the end of
      each answer.
    - `prefill`: `token_ids` int32 `(batch, length)`, prompts of equal length
      without padding, and the int32 scalar `cache_length`, the tokens that
      prompt and answer may have together. Returns the cache, four tensors of
      the model's compute dtype: `dense_keys` and `dense_values` of shape
      `(dense layers, batch, heads, cache_length, head_dim)`, `banded_keys` and
      `banded_values` of shape `(banded layers, batch, heads, slots, head_dim)`,
      with a slot for each position of the window or of `cache_length`,
      whichever is less.
    - `extend`: these four; `token_ids` int32 `(batch, total)`, of which the
      first `index` are known, and `total` is at least `end`; the int32 scalars
      `index` and `end`; and the options `temperature`, `top_k`, `top_p` and
      `seed` of `generate`. Returns `token_ids`, filled up to `index`; `index`,
      which is less than `end` only if all rows have stopped; `stopped` bool
      `(batch,)`, the rows whose end of text came in this part, after which
      nothing counts; and the cache. These are the next call's inputs, with a
      higher `end`; any parts yield the tokens of `generate`.

    For continuous batching, by one client that makes one call at a time, since
    the caches are variables of the SavedModel:

    - `resize_slots`: the int32 scalars `num_slots`, `length`, the positions
      that each holds, and `spare`, the most drafts of `verify_slots`, which
      stays the same while there are slots. What slots hold is kept.
    - `read_into_slot`: the int32 scalars `slot` and `index`, and `token_ids`
      int32 `(length,)` that stand from there on. Returns their `keys` and
      `values`, each `(layers, length, heads, head_dim)`, which `fill_slot`
      writes at the `index` of any `slot`: a beginning that prompts share is
      read once.
    - `step_slots`: for the first slots, as many as `token_ids` int32
      `(slots,)` has entries, each the last token, before `index` int32
      `(slots,)`; the options of `choose_token` and the three penalties, one
      for each slot; for the penalties `history` int32 `(slots, tokens)`,
      `history_length` and `prompt_length` int32 `(slots,)`, and
      `bias_token_ids` int32 and `biases` float32 `(slots, number)`, where no
      columns mean none; the int32 scalar `num_top`, -1 for no
      log-probabilities. Returns the next `token_ids` `(slots,)`, their
      `log_probabilities`, and `top_token_ids` and `top_log_probabilities`
      `(slots, num_top)`. A slot that has none to continue is given the `index`
      after the place that it will be read or filled at next.
    - `verify_slots`: as `step_slots`, with `token_ids` int32
      `(slots, 1 + drafts)`, the last token and drafts of what follows, of which
      `num_drafts` int32 `(slots,)` count, and without `num_top`. Returns the
      `token_ids` that are chosen after each, and `num_accepted` int32
      `(slots,)`: the first `num_accepted + 1` of them continue the answer.

    With a preprocessor also, all of them on string vectors `(batch,)`:

    - `generate`: `prompts`, and options that have default values: a scalar for
      all rows or a vector with one for each. `max_new_tokens` int32 (64),
      `temperature` float32 (1), `top_k` int32 (0), `top_p` float32 (1), `seed`
      int32 (-1, as any negative one, draws anew for each row and call),
      `truncate` string (`""`, or `"left"` drops the first tokens of
      a prompt that is too long), and `stop` strings, none by default:
      `(number,)` for all rows or `(batch, number)`, where `""` is padding.
      Returns `texts`, `num_tokens`, `num_prompt_tokens` and `finish_reason`,
      `"stop"` or `"length"`. `num_tokens` counts the token that completed a
      stop string, though the text ends before that string, and not the end of
      text; `num_prompt_tokens` counts a start token.
    - `serving_default`, for a client that names no signature: `generate` with
      `prompts` and `max_new_tokens` alone, the other options as above.
    - `score`: `contexts`, `continuations` and `truncate` to `log_likelihood`
      float32, `is_greedy` bool and `num_tokens` int32; see `GPT3.score`. A
      single context serves all continuations.
    - `tokenize`: `texts` to `token_ids` int32 `(batch, length)`, padded with 0,
      and `lengths` int32 `(batch,)`; `detokenize`: the reverse, to bytes.
      Where the preprocessor has `add_start_token`, also `start_token_ids`
      int32 `(batch, 1)`, which `generate` and `score` put before a prompt and
      `prefill` expects there.

    Texts are encoded as by the model's own tokenizer, special tokens included:
    `<|endoftext|>` is one token unless it has `split_special_tokens`.

    A server that forms batches accepts no scalars and fills in no defaults:
    send every option with a row for each prompt, and `stop` as
    `(batch, number)`.

    Args:
        model: `GPT3`.
        filepath: string or path. The folder of the versions; made if missing.
        version: int. The number to write. Defaults to `None`: one more than
            the highest there, or 1.
        name: string. What clients of a server call the model. Defaults to
            `"gpt3"`.
        base_path: string. The folder of the versions as a server sees it.
            Defaults to `None`, `"/models/NAME"`.
        verbose: bool. Whether to say what was written. Defaults to `True`.

    Returns:
        The folder of the version, as a `pathlib.Path`.

    Raises:
        BlockingIOError: If another process exports to the folder.
        FileExistsError: If the version is there already, or `filepath` is a
            SavedModel itself.
        NotADirectoryError: If `filepath` is a file.
        NotImplementedError: If Keras runs on another backend than TensorFlow.
        ValueError: If the version, name, or base path is one that a server
            does not accept.

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
    export_saved_model(keras_gpt3.GPT3(backbone), "exported")  # exported/1
    ```
    """
    require_backend(
        "tensorflow",
        "The export of a SavedModel",
        "Save with save_to_preset, and load and export under "
        "KERAS_BACKEND=tensorflow.",
    )
    check_served_as(name, base_path)
    batching = _batching_parameters(model.backbone)
    signatures = []

    def write(folder):
        endpoints = Endpoints(model)
        signatures.extend(_write_graph(model.backbone, endpoints, folder))
        if model.preprocessor is not None:
            write_warmup_requests(
                folder,
                batching.allowed_batch_sizes,
                model.backbone.max_sequence_length,
                name,
            )
        write_metadata(folder, endpoints.metadata)

    folder = write_version(filepath, write, version)
    # Only now: an export that fails leaves nothing.
    write_serving_bundle(folder.parent, batching, name, base_path)
    if verbose:
        # Not rich's global console, which keeps its first output's settings.
        rich.console.Console(soft_wrap=True).print(
            f"Wrote the SavedModel ({', '.join(signatures)}): {folder}",
            markup=False,
            highlight=False,
        )
    return folder


def _write_graph(backbone, endpoints, folder):
    """Write what `tf.saved_model.save` does; the signatures' names."""
    # Not Keras' ExportArchive, which stores, and loads, every weight twice:
    # as Keras' variable and as TensorFlow's inside it.
    root = tf.Module()
    root.weights = [v.value for v in backbone.variables]
    root.resources = endpoints.tracked
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in endpoints.functions().items()
    }
    for name, function in signatures.items():
        setattr(root, name, function)
    names = list(signatures)
    signatures["serving_default"] = _default_signature(signatures)
    with op_compilation(False):
        tf.saved_model.save(root, str(folder), signatures=signatures)
    return names


def _default_signature(signatures):
    """The signature for clients that name none: `generate` with few options.

    Called in Python, a signature requires all of its inputs, whatever its
    defaults.
    """
    if "generate" not in signatures:
        return next(iter(signatures.values()))
    generate = signatures["generate"]
    prompts = tf.TensorSpec((None,), tf.string, name="prompts")
    function, specs = endpoint(generate, [prompts], "max_new_tokens")
    return tf.function(function, input_signature=specs, autograph=False)


def _batching_parameters(backbone):
    weight_bytes = sum(
        v.value.shape.num_elements() * tf.as_dtype(v.dtype).size
        for v in backbone.variables
    )
    return BatchingParameters.for_model(
        backbone.get_config(), backbone.compute_dtype, weight_bytes
    )


class Endpoints:
    """The functions of a SavedModel.

    The first one is for clients that name none: `generate` where there is a
    preprocessor, else `logits`.
    """

    def __init__(self, model):
        self.tracked = []
        self.metadata = {
            "max_sequence_length": model.backbone.max_sequence_length
        }
        self._functions = {}
        ids, num_known = model.special_token_ids, None
        end_token_ids = tuple(ids.get("eos_token_id", ()))
        if model.preprocessor is not None:
            texts = TextSignatures(model)
            end_token_ids = (texts.end_token_id,)
            num_known = texts.encoding.vocabulary_size
            self.tracked.append(texts.encoding)
            self.metadata |= {
                "longest_token": texts.encoding.longest_token,
                "vocabulary_size": num_known,
                "end_token_id": texts.end_token_id,
                "special_token_ids": sorted(
                    model.preprocessor.tokenizer.special_token_ids
                ),
            }
            self._functions |= texts.endpoints()
        tokens = TokenSignatures(model.backbone, end_token_ids, num_known)
        self._functions |= tokens.endpoints()
        slots = SlotSignatures(model.backbone, num_known)
        self.tracked.append(slots.tracked)
        self._functions |= slots.endpoints()

    def functions(self):
        """The functions and their specs, by name."""
        return dict(self._functions)
