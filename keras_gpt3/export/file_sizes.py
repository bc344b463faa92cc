"""A list of an export's files: a copy that is not whole shows by it."""

import json
import pathlib

_FILE = pathlib.PurePath("assets.extra", "file_sizes.json")


def write_file_sizes(folder):
    """Writes how many bytes each file of a folder has.

    TensorFlow loads a tokenizer's table of which half has been copied without
    a word, and then has other ids.
    """
    folder = pathlib.Path(folder)
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / _FILE).parent.mkdir(exist_ok=True)
    (folder / _FILE).write_text(json.dumps(sizes, indent=1))


def read_file_sizes(folder):
    """Reads it."""
    try:
        sizes = json.loads((pathlib.Path(folder) / _FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {"": -1}
    return sizes if isinstance(sizes, dict) else {"": -1}
