"""From a model to a folder that transformers loads."""

import contextlib
import dataclasses
import functools
import importlib.util

import keras
import numpy as np

from keras_gpt3.converters.checkpoint_families import family_for
from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.checkpoint_writer import TensorToStore
from keras_gpt3.converters.checkpoint_writer import write_checkpoint
from keras_gpt3.converters.folded_attention import FoldedWeights
from keras_gpt3.converters.tokenizer_settings import write_max_length
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.models.presets.weight_of_path import weight_of_path
from keras_gpt3.planning.memory import parse_bytes
from keras_gpt3.reporting.progress import ProgressBar


def export_to_transformers(
    model, folder, overwrite=False, max_shard_size="5GB", verbose="auto"
):
    """Write a model as a checkpoint in Hugging Face's layout.

    The tensors have the type of the variables, float32 in mixed precision;
    low-rank adapters are merged into them. One tensor at a time is in memory.
    """
    backbone, preprocessor = model.backbone, model.preprocessor
    dtype = backbone.dtype_policy.variable_dtype
    family, arguments = family_for(backbone.get_config())
    config = family.config(arguments, dtype=dtype, **_token_ids(model))
    # Looked at now, for an error shall come before a file does.
    weights, dtypes = _weights(backbone, arguments)
    tensors = [
        tensor
        for rule in family.weight_rules(arguments)
        for tensor in _tensors(
            weights, rule, family.base_prefix, dtypes.get(rule.path, dtype)
        )
    ]
    write_more = None
    if preprocessor is not None:
        write_more = functools.partial(
            _write_tokenizer, preprocessor, backbone.max_sequence_length
        )
    size = sum(tensor.num_bytes for tensor in tensors)
    with ProgressBar("export", size, verbose=verbose, unit="bytes") as bar:
        write_checkpoint(
            folder,
            config,
            [_counted(tensor, bar) for tensor in tensors],
            write_more,
            overwrite,
            parse_bytes(max_shard_size),
        )


def _counted(tensor, bar):
    """A tensor that advances a bar when it is written."""

    def make():
        bar.advance(tensor.num_bytes)
        return tensor.make()

    return dataclasses.replace(tensor, make=make)


def _weights(backbone, arguments):
    """A function from path to weight of what is written, and the dtypes."""
    own = backbone.get_config()
    dtypes = {
        path: keras.backend.standardize_dtype(
            weight_of_path(backbone, path).dtype
        )
        for path in weight_shapes(complete_arguments(own))
    }

    def read(path):
        weight = weight_of_path(backbone, path)
        return keras.ops.convert_to_numpy(weight)

    if arguments == complete_arguments(own):
        return read, dtypes
    return FoldedWeights(own, read, dtypes), dtypes


def _tensors(weights, rule, prefix, dtype):
    """The tensors that hold a weight, in the family's own layout."""
    for part, name in enumerate(rule.tensor_names):
        make = functools.partial(_part, weights, rule, part)
        shape = tuple(rule.tensor_shape)
        yield TensorToStore(prefix + name, shape, dtype, make)


def _part(weights, rule, part):
    """One of the tensors that hold a weight."""
    array = rule.take(weights(rule.path), part)
    return array.T if rule.transposed else array


def _write_tokenizer(preprocessor, max_length, folder):
    """Write the tokenizer's files, with the length that the model takes."""
    preprocessor.export_to_transformers(folder)
    write_max_length(folder, max_length)


def _token_ids(model):
    """The ids that a config.json names."""
    if model.preprocessor is None:
        ids = model.special_token_ids
        ends = ids.get("eos_token_id", [])
        # A list is for several: older versions of transformers take an int.
        return ids | ({"eos_token_id": ends[0]} if len(ends) == 1 else {})
    tokenizer = model.preprocessor.tokenizer
    ids = {
        "bos_token_id": tokenizer.token_to_id(tokenizer.start_token),
        "eos_token_id": tokenizer.token_to_id(tokenizer.end_token),
    }
    # In GPT-2's files there is no padding, and the end fills rows up.
    if tokenizer.pad_token != tokenizer.end_token:
        ids["pad_token_id"] = tokenizer.token_to_id(tokenizer.pad_token)
    return ids


# Rows and tokens to compare; a window of 256 is crossed where there is one.
_ROWS, _LENGTH = 2, 300
# float32 rounding, as a share of the largest logit; transformers' own float32
# differs from its float64 by up to a tenth of it.
_TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True)
class LogitComparison:
    """How far two models' logits are apart."""

    largest_difference: float
    largest_logit: float
    same_choices: float

    @property
    def agrees(self):
        """Whether the difference is that of rounding in float32."""
        allowed = _TOLERANCE * max(1.0, self.largest_logit)
        return self.largest_difference <= allowed

    def __str__(self):
        verdict = "agree" if self.agrees else "DIFFER"
        return (
            f"Logits {verdict}: largest difference "
            f"{self.largest_difference:.2g} among logits up to "
            f"{self.largest_logit:.3g}, the same likeliest token at "
            f"{self.same_choices:.1%} of the positions."
        )


def check_installed():
    """Raise unless torch and transformers are there."""
    for name in ("torch", "transformers"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                "torch and transformers must be installed to compare logits. "
                f"Received: no {name}. Run `pip install torch transformers`."
            )


def compare_with_transformers(model, folder, dtype="float32"):
    """Compare a model with a checkpoint in transformers' eager attention.

    Both compute in float32, on random token ids.
    """
    check_installed()
    import torch
    import transformers

    with _no_progress_bars(transformers.utils.logging):
        reference = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), attn_implementation="eager"
        )
    # The argument for the type has another name in each version.
    reference = reference.to(getattr(torch, dtype)).float().eval()
    backbone = model.backbone
    length = min(_LENGTH, backbone.max_sequence_length)
    token_ids = np.random.default_rng(0).integers(
        backbone.vocabulary_size, size=(_ROWS, length), dtype="int32"
    )
    mask = np.ones_like(token_ids, "bool")
    ours = model({"token_ids": token_ids, "padding_mask": mask})
    ours = keras.ops.convert_to_numpy(ours).astype("float32")
    with torch.no_grad():
        theirs = reference(torch.tensor(token_ids, dtype=torch.int64))
    theirs = theirs.logits.numpy()
    same = ours.argmax(axis=-1) == theirs.argmax(axis=-1)
    return LogitComparison(
        largest_difference=float(np.abs(ours - theirs).max()),
        largest_logit=float(np.abs(theirs).max()),
        same_choices=float(same.mean()),
    )


@contextlib.contextmanager
def _no_progress_bars(logging):
    """Hide transformers' bars, in a load of seconds."""
    were_there = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_there:
            logging.enable_progress_bar()
