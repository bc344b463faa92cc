"""The index of weights that lie in several files."""

import pathlib

from keras_gpt3.converters.json_file import read_json
from keras_gpt3.echoed_value import echoed


def read_index(path):
    """Reads which file holds which tensor.

    Every file must lie in the index' own folder, under a plain name: an index
    from elsewhere could otherwise name any file of this machine.
    """
    path = pathlib.Path(path)
    files = _weight_map(path)
    for file in files.values():
        _check_plain(file, path)
        if not (path.parent / file).is_file():
            raise ValueError(
                "Every shard that an index names must be there. Received: "
                f"{path.name} with {echoed(file)}, which {path.parent} lacks. "
                "Download all shards."
            )
    return files


def shard_names(path):
    """Reads which files an index names, whether or not they are there."""
    path = pathlib.Path(path)
    names = set()
    for files in _weight_map(path).values():
        for file in files if isinstance(files, list) else [files]:
            _check_plain(file, path)
            names.add(file)
    return sorted(names)


def check_shards(files, shapes_of, path):
    """Raises unless each shard is there and holds what the index says."""
    for name, file in files.items():
        if name not in shapes_of[file]:
            raise ValueError(
                "A shard must hold the tensors that its index names. Received: "
                f"{path.name} with {name} in {file}, which lacks it. Download "
                "both again."
            )
    for file, names in shapes_of.items():
        for name in names:
            if files.get(name) != file:
                raise ValueError(
                    "A tensor must be in one shard, the one that the index "
                    f"names. Received: {name} in {file}, where {path.name} has "
                    f"{files.get(name)}. Download the files again."
                )


def _weight_map(path):
    """An index' dict from tensors to files, not yet checked."""
    try:
        index = read_json(path)
    except ValueError as error:
        raise ValueError(
            f"{path.name} must be valid JSON. Received: {path} ({error}). "
            "Download it again."
        ) from error
    files = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(files, dict) or not files:
        raise ValueError(
            f"{path.name} must hold a weight_map from tensors to files. "
            f"Received: {path} with none. Download it again."
        )
    return files


def _check_plain(file, path):
    """Raises unless a shard's name is that of a file beside the index."""
    plain = (
        isinstance(file, str)
        and file not in ("", ".", "..")
        and not set(file) & set("/\\:\0")
    )
    if not plain:
        raise ValueError(
            "A shard must lie beside its index, under a plain file name. "
            f"Received: {path.name} with {echoed(file)}. Do not load this "
            "checkpoint: its index points elsewhere."
        )
