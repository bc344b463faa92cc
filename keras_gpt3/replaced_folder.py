"""A folder that appears with all its files, or not at all."""

import contextlib
import pathlib
import shutil
import uuid


@contextlib.contextmanager
def replaced_folder(folder, may_replace=None):
    """Gives a new folder that takes another's place when the block ends.

    It lies beside the other under a hidden name. If the block raises it is
    removed, and what was there before is as it was.

    Args:
        folder: string or path. It may be missing.
        may_replace: callable. Takes the path where there is a folder that is
            not empty; whether it may be replaced. Defaults to `None`, never.

    Yields:
        A `pathlib.Path`.

    Raises:
        FileExistsError: If there is a folder that may not be replaced.
        NotADirectoryError: If there is a file.

    Example:

    ```python
    import pathlib
    from keras_gpt3.replaced_folder import replaced_folder

    with replaced_folder("model") as folder:
        (folder / "config.json").write_text("{}")
    pathlib.Path("model/config.json").exists()  # True
    ```
    """
    folder = pathlib.Path(folder).resolve()
    check_is_free(folder, may_replace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(folder)
    temporary.mkdir()
    try:
        yield temporary
        # Once more: writing a large model takes minutes.
        check_is_free(folder, may_replace)
        _exchange(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_is_free(folder, may_replace=None):
    """Raises unless a folder can be written: it is missing, empty or may go.

    Args:
        folder: string or path.
        may_replace: callable. As in `replaced_folder`. Defaults to `None`.

    Raises:
        FileExistsError: If there is a folder that may not be replaced.
        NotADirectoryError: If there is a file.

    Example:

    ```python
    from keras_gpt3.replaced_folder import check_is_free

    check_is_free("model")
    ```
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            "The folder must be a folder or not exist yet. Received: "
            f"folder='{folder}', which is a file. Pass another path."
        )
    if not folder.exists() or not any(folder.iterdir()):
        return
    if may_replace is None or not may_replace(folder):
        hint = ", or overwrite=True if it holds a model of this format"
        raise FileExistsError(
            "The folder must be empty or not exist yet. Received: "
            f"folder='{folder}'. Pass another path{hint if may_replace else ''}"
            "."
        )


def _exchange(temporary, folder):
    """Puts a folder in the place of another, which is removed."""
    if not folder.exists():
        temporary.rename(folder)
        return
    old = _sibling(folder)
    folder.rename(old)
    try:
        temporary.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sibling(folder):
    """A path beside a folder that nothing else has."""
    return folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}.tmp")
