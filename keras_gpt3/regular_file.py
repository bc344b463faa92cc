"""Files from elsewhere: plain ones, in the folder that they came with.

A device has no end, a pipe blocks for ever, and a link can name any file of
this machine, whose content would then be in what is published.
"""

import os
import pathlib
import stat

_REMEDY = "Copy the file itself there, from a source that you trust"


def check_regular_file(path):
    """Raise at a device, a pipe or a socket, or a link to one."""
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
    """Raise at files of a folder that are irregular, or link out of it."""
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
