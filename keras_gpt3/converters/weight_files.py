"""The weights in a folder, whichever files hold them."""

import pathlib

from keras_gpt3.converters.pickled_weights import PickledWeights
from keras_gpt3.converters.safetensors_file import SafetensorsFile
from keras_gpt3.converters.sharded_index import check_shards
from keras_gpt3.converters.sharded_index import read_index

# In order of preference: one file, or the index of several, and its reader.
LAYOUTS = (
    ("model.safetensors", SafetensorsFile),
    ("model.safetensors.index.json", SafetensorsFile),
    ("pytorch_model.bin", PickledWeights),
    ("pytorch_model.bin.index.json", PickledWeights),
)
# Of files under other names, to say why a folder is not read.
_WEIGHT_SUFFIXES = (".safetensors", ".h5", ".msgpack", ".pth", ".gguf", ".onnx")


class WeightFiles:
    """Tensors by name, out of one or several files."""

    def __init__(self, files):
        self._files = files
        self.shapes = {name: f.shapes[name] for name, f in files.items()}

    def read(self, name, start=0, end=None):
        """Reads a tensor, or some rows of it."""
        return self._files[name].read(name, start, end)


def find_weights(folder):
    """The name of the file, or index, from which weights would be read."""
    folder = pathlib.Path(folder)
    for name, _ in LAYOUTS:
        # A link to nowhere is reported when it is opened, not passed over.
        if (folder / name).exists() or (folder / name).is_symlink():
            return name
    return None


def open_weights(folder):
    """Opens the weights of a folder in Hugging Face's layout."""
    folder = pathlib.Path(folder)
    name = find_weights(folder)
    if name is None:
        raise ValueError(
            f"The folder must hold weights: {_looked_for()}. Received: "
            f"{folder}{_instead(folder)}. Download them, or pass "
            "load_weights=False for new ones."
        )
    open_file = dict(LAYOUTS)[name]
    if not name.endswith(".index.json"):
        file = open_file(folder / name)
        return WeightFiles(dict.fromkeys(file.shapes, file))
    index = read_index(folder / name)
    shards = {s: open_file(folder / s) for s in sorted(set(index.values()))}
    check_shards(index, {s: f.shapes for s, f in shards.items()}, folder / name)
    return WeightFiles({tensor: shards[s] for tensor, s in index.items()})


def _looked_for():
    *others, last = (name for name, _ in LAYOUTS)
    return f"{', '.join(others)} or {last}"


def _instead(folder):
    """Words for the weights in a folder that are not read."""
    paths = sorted(folder.glob("*"))
    names = [path.name for path in paths if path.suffix in _WEIGHT_SUFFIXES]
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f" with {names[0]}{more} instead"
