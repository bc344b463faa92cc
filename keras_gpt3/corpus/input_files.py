"""The files of a corpus that paths, folders and patterns name."""

import glob
import os
import pathlib

from keras_gpt3.corpus.readers.read_file import SUFFIXES
from keras_gpt3.corpus.readers.read_file import reader_of


def input_files(patterns):
    """Lists the files that are named, in the order in which they are read."""
    paths = set()
    for pattern in patterns:
        paths.update(_matching(str(pattern)))
    for path in paths:
        reader_of(path)
    return sorted(paths)


def common_folder(patterns):
    """The innermost folder that holds all files that patterns may name.

    It does not depend on which files there are: with one more, the names of
    the others stay.
    """
    folders = {_fixed_folder(os.path.abspath(path)) for path in patterns}
    return os.path.commonpath(folders)


def _fixed_folder(pattern):
    """The folders of a pattern before the first that is left open."""
    if os.path.isdir(pattern):
        return pattern
    folder = os.path.dirname(pattern)
    while not os.path.isfile(pattern) and glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def _matching(pattern):
    if os.path.isdir(pattern):
        found = [
            str(path)
            for path in pathlib.Path(pattern).rglob("*")
            if path.name.lower().endswith(SUFFIXES) and path.is_file()
        ]
        kind = f"a folder without files that end in {', '.join(SUFFIXES)}"
    elif os.path.isfile(pattern):
        return [os.path.normpath(pattern)]
    else:
        found = [path for path in glob.glob(pattern, recursive=True)]
        found = [path for path in found if os.path.isfile(path)]
        kind = "which matches no file"
    if not found:
        raise FileNotFoundError(
            "The files of a corpus must be there. Received: "
            f"'{pattern}', {kind}. Correct the path."
        )
    return map(os.path.normpath, found)
