"""The files of a corpus that paths, folders and patterns name."""

import glob
import os
import pathlib

from keras_gpt3.corpus.readers.read_file import SUFFIXES
from keras_gpt3.corpus.readers.read_file import reader_of


def input_files(patterns):
    """Lists the files that are named, in the order in which they are read.

    Args:
        patterns: list of strings or paths. Files, patterns such as
            `"crawl/*.warc.gz"`, or folders: all files in them and below whose
            suffix is known.

    Returns:
        A sorted list of strings.

    Raises:
        FileNotFoundError: If one names no file.
        ValueError: If the suffix of a file is unknown.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus.input_files import input_files

    pathlib.Path("novels").mkdir()
    pathlib.Path("novels/a.txt").write_text("Once")
    input_files(["novels"])  # ["novels/a.txt"]
    ```
    """
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

    Args:
        patterns: list of strings or paths, not empty. As in `input_files`.

    Returns:
        A string.

    Example:

    ```python
    from keras_gpt3.corpus.input_files import common_folder

    common_folder(["novels/*/a.txt", "novels/english/b.txt"])  # "novels"
    ```
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
