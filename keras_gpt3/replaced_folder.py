"""A folder that appears with all its files, or not at all."""

import contextlib
import os
import pathlib
import shutil
import uuid

# A folder without it is no model: it goes first and comes last.
_MARKER = "config.json"


@contextlib.contextmanager
def replaced_folder(folder, may_replace=None, owned=()):
    """Gives a hidden folder whose files get their place when the block ends.

    A folder that is missing appears at once. In one that is there, the files
    that are `owned` go, the new ones come, and all others stay. If the block
    raises, or a file cannot be moved, everything is as it was.

    Args:
        folder: string or path. It may be missing.
        may_replace: callable. Takes the path where there is a folder that is
            not empty; whether its owned files may be replaced. Defaults to
            `None`, never.
        owned: iterable of strings. Patterns of the files, relative to the
            folder, that are replaced. Defaults to `()`.

    Yields:
        A `pathlib.Path`.

    Raises:
        FileExistsError: If there is a folder that may not be replaced.
        IsADirectoryError: If a file would replace a folder.
        NotADirectoryError: If there is a file, there or above.
        PermissionError: If nothing can be written there.

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
    temporary = _hidden(folder)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        # Once more: writing a large model takes minutes.
        _check_content(folder, may_replace, but=temporary.name)
        if folder.exists():
            _move_files(temporary, folder, owned)
        else:
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_is_free(folder, may_replace=None):
    """Raises unless a folder can be written: it is missing, empty or may go.

    Args:
        folder: string or path.
        may_replace: callable. As in `replaced_folder`. Defaults to `None`.

    Raises:
        FileExistsError: If there is a folder that may not be replaced.
        NotADirectoryError: If there is a file, there or above.
        PermissionError: If nothing can be written there.

    Example:

    ```python
    from keras_gpt3.replaced_folder import check_is_free

    check_is_free("model")
    ```
    """
    folder = pathlib.Path(folder).resolve()
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(
                "The folder must be a folder or not exist yet. Received: "
                f"folder='{folder}', where {path} is a file. Pass another path."
            )
    _check_content(folder, may_replace)
    _check_is_writable(folder)


def _check_is_writable(folder):
    """Raises unless a folder's files, or the folder itself, can be made."""
    above = next(path for path in (folder, *folder.parents) if path.exists())
    probe = above / _hidden_name(folder)
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise PermissionError(
            "The folder must be one that can be made. Received: "
            f"folder='{folder}' ({error.strerror}). Pass another path."
        ) from error


def _check_content(folder, may_replace, but=None):
    """Raises if a folder holds files that may not be replaced."""
    if not folder.exists() or not {p.name for p in folder.iterdir()} - {but}:
        return
    if may_replace is None or not may_replace(folder):
        hint = ""
        if may_replace is not None:
            hint = (
                ", or overwrite=True (--overwrite) if it holds a model of this "
                "format"
            )
        raise FileExistsError(
            "The folder must be empty or not exist yet. Received: "
            f"folder='{folder}'. Pass another path{hint}."
        )


def _move_files(temporary, folder, owned):
    """Puts files into the place of those that a folder owns.

    The folder itself stays, for it may be a link, a mounted disk, a clone of
    a repository or where the user is. On any error all goes back.
    """
    new = sorted(
        (path for path in temporary.rglob("*") if path.is_file()),
        key=lambda path: path == temporary / _MARKER,
    )
    new = [(path, folder / path.relative_to(temporary)) for path in new]
    aside = temporary / ".old"
    old = {path for pattern in owned for path in folder.glob(pattern)}
    old |= {target for _, target in new if target.exists()}
    for path in old:
        if path.is_dir():
            raise IsADirectoryError(
                "A file that is to be replaced must not be a folder. Received: "
                f"{path}. Remove it, or pass another path."
            )
    old = sorted(old, key=lambda path: path != folder / _MARKER)
    old = [(path, aside / path.relative_to(folder)) for path in old]
    moved = []
    try:
        for source, target in old + new:
            target.parent.mkdir(parents=True, exist_ok=True)
            moved.append((source, target))
            os.replace(source, target)
    except BaseException:
        for source, target in reversed(moved):
            if os.path.lexists(target):
                os.replace(target, source)
        raise


def _hidden(folder):
    """A new path on the disk of a folder: in it, or beside where it will be."""
    name = _hidden_name(folder)
    return folder / name if folder.exists() else folder.with_name(name)


def _hidden_name(folder):
    return f".{folder.name}-{uuid.uuid4().hex[:8]}.tmp"
