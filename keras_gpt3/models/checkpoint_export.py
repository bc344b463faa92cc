"""From a model to a folder that transformers loads."""

import functools

import keras

from keras_gpt3.converters.checkpoint_families import family_for
from keras_gpt3.converters.checkpoint_writer import write_checkpoint
from keras_gpt3.converters.safetensors_writer import TensorToStore
from keras_gpt3.converters.tokenizer_settings import write_max_length
from keras_gpt3.models.weight_of_path import weight_of_path
from keras_gpt3.planning.byte_size import parse_bytes


def export_to_transformers(
    model, folder, overwrite=False, max_shard_size="5GB"
):
    """Writes a model as a checkpoint in Hugging Face's layout.

    The tensors have the type of the variables, float32 in mixed precision;
    low-rank adapters are merged into them. One tensor at a time is in memory.
    """
    backbone, preprocessor = model.backbone, model.preprocessor
    arguments = backbone.get_config()
    family = family_for(arguments)
    config = family.config(
        arguments,
        dtype=backbone.dtype_policy.variable_dtype,
        **_token_ids(model),
    )
    tensors = [
        tensor
        for rule in family.weight_rules(arguments)
        for tensor in _tensors(backbone, rule, family.base_prefix)
    ]
    write_more = None
    if preprocessor is not None:
        write_more = functools.partial(
            _write_tokenizer, preprocessor, backbone.max_sequence_length
        )
    write_checkpoint(
        folder,
        config,
        tensors,
        write_more,
        overwrite,
        parse_bytes(max_shard_size),
    )


def _tensors(backbone, rule, prefix):
    """The tensors that hold a weight, in the family's own layout."""
    # Looked at now, for an error shall come before a file does.
    weight = weight_of_path(backbone, rule.ours)
    dtype = keras.backend.standardize_dtype(weight.dtype)
    for part, name in enumerate(rule.theirs):
        make = functools.partial(_part, backbone, rule, part)
        shape = tuple(rule.shape_of_theirs)
        yield TensorToStore(prefix + name, shape, dtype, make)


def _part(backbone, rule, part):
    """One of the tensors that hold a weight."""
    weight = weight_of_path(backbone, rule.ours)
    array = keras.ops.convert_to_numpy(weight)
    array = rule.take(array, part)
    return array.T if rule.transposed else array


def _write_tokenizer(preprocessor, max_length, folder):
    """Writes the tokenizer's files, with the length that the model takes."""
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
