"""A checkpoint in Hugging Face's layout, written."""

import json

from keras_gpt3.converters.checkpoint_folder import is_checkpoint_folder
from keras_gpt3.converters.model_files import CHECKPOINT_FILES
from keras_gpt3.converters.safetensors_writer import write_safetensors
from keras_gpt3.replaced_folder import replaced_folder

_INDEX = "model.safetensors.index.json"


def write_checkpoint(
    folder,
    config,
    tensors,
    write_more=None,
    overwrite=False,
    max_shard_size=5 * 10**9,
):
    """Writes config.json and safetensors files, all of them or none.

    Of a checkpoint that is replaced, other files stay, such as a README.md.
    """

    def may_replace(path):
        return overwrite and is_checkpoint_folder(path)

    with replaced_folder(folder, may_replace, CHECKPOINT_FILES) as temporary:
        _write_json(temporary / "config.json", config)
        _write_weights(temporary, divide(tensors, max_shard_size))
        if write_more is not None:
            write_more(temporary)


def divide(tensors, max_shard_size):
    """Divides tensors among files, in their order."""
    shards, size = [[]], 0
    for tensor in tensors:
        if shards[-1] and size + tensor.num_bytes > max_shard_size:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.num_bytes
    return shards


def _write_weights(folder, shards):
    """One file, or several with an index, as transformers names them."""
    if len(shards) == 1:
        write_safetensors(folder / "model.safetensors", shards[0])
        return
    weight_map = {}
    for i, shard in enumerate(shards, start=1):
        name = f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        write_safetensors(folder / name, shard)
        weight_map |= {tensor.name: name for tensor in shard}
    total = sum(tensor.num_bytes for shard in shards for tensor in shard)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    _write_json(folder / _INDEX, index)


def _write_json(path, content):
    text = json.dumps(content, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
