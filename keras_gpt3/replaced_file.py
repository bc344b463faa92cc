"""A file that appears whole, or not at all."""

import contextlib
import errno
import json
import os
import pathlib
import uuid

from keras_gpt3.folder_lock import sigterm_exits

PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def replaced_file(path):
    """Gives a hidden file that gets its place when the block ends.

    If the block raises, or the process is killed, an older file stays.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        with sigterm_exits():
            with open(partial, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            "The disk must have room for all that is written. Received: "
            f"file='{path}' ({error.strerror}). Free some space and run it "
            "again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path):
    """A hidden name beside a file, under which it is written."""
    path = pathlib.Path(path)
    return path.with_name(
        f".{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL_SUFFIX}"
    )


def write_json(path, value):
    """Writes a JSON file that appears whole, or not at all."""
    with replaced_file(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False).encode())
