"""Files from elsewhere: plain ones, in the folder that they came with.

A device has no end, a pipe blocks for ever, and a link can name any file of
this machine, whose content would then be in what is published.
"""

import os
import pathlib
import stat

_REMEDY = "Copy the file itself there, from a source that you trust"


def check_regular_file(path):
    """Raises at a device, a pipe or a socket, also behind a link.

    Args:
        path: string or path. What is missing, or a folder, passes.

    Raises:
        ValueError: If reading it could block or never end.

    Example:

    ```python
    import pathlib

    from keras_gpt3.regular_file import check_regular_file

    pathlib.Path("config.json").write_text("{}")
    check_regular_file("config.json")
    ```
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return  # Whoever opens it says what is wrong.
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError(
            "A file must be a regular one, not a device, a pipe or a socket. "
            f"Received: file='{path}'. {_REMEDY}."
        )


def check_folder_files(folder, patterns):
    """Raises at files of a folder that are irregular, or links out of it.

    Args:
        folder: string or path. It may be a link itself, or missing.
        patterns: iterable of strings. Of the files, relative to the folder.

    Raises:
        ValueError: If there is such a file.

    Example:

    ```python
    from keras_gpt3.regular_file import check_folder_files

    check_folder_files(".", ["*.json"])
    ```
    """
    folder = pathlib.Path(folder)
    for pattern in patterns:
        for path in folder.glob(pattern):
            _check_link(path, folder)
            check_regular_file(path)


def _check_link(path, folder):
    folder = folder.resolve()
    roots = [folder]
    # The cache of Hugging Face's hub links from snapshots/REVISION to blobs.
    if folder.parent.name == "snapshots":
        roots.append(folder.parent.parent / "blobs")
    target = pathlib.Path(os.path.realpath(path))
    if not any(target.is_relative_to(root) for root in roots):
        raise ValueError(
            "A file of a model must lie in the model's folder. Received: file="
            f"'{path}', a link to '{target}'. {_REMEDY}."
        )
