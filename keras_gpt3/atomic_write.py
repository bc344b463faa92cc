"""Files and folders that appear whole, or not at all; one writer at a time.

`atomic_write` is for a file, `atomic_folder` for a folder of them.
"""

import contextlib
import errno
import fcntl
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import threading
import uuid

PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def atomic_write(path):
    """Yield a hidden file that gets its place when the block ends.

    If the block raises, or the process is killed, an older file stays.
    """
    with atomic_path(path) as partial, open(partial, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_path(path):
    """Yield the hidden path instead, for what opens its files itself."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(
        f".{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL_SUFFIX}"
    )
    try:
        with sigterm_exits():
            yield partial
            os.replace(partial, path)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise OSError(
            "The disk must have room for all that is written. Received: "
            f"file='{path}' ({error.strerror or error}). Free some space and "
            "run it again."
        ) from error
    finally:
        # Of two names of one file, `replace` removes none.
        partial.unlink(missing_ok=True)


# The disk itself, a quota, and the largest size that a file may have.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error):
    """Whether an error says that what was written has found no room."""
    # h5py and TensorFlow put the system's words into errors of their own.
    return getattr(error, "errno", None) in _FULL or any(
        os.strerror(number) in str(error) for number in _FULL
    )


def fsync_path(path):
    """Flush a file's bytes, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path, value):
    """Write a JSON file that appears whole, or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False).encode())


# (device, inode) of each folder that this process holds -> the thread.
_holders = {}


@contextlib.contextmanager
def locked_folder(folder):
    """Keep other processes and threads from writing to a folder.

    The lock is the system's own on the folder itself: there is no file of it,
    and it ends with the process, however that ends. Within the block, the same
    thread may lock the folder again.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        status = os.fstat(descriptor)
        key = status.st_dev, status.st_ino
        if _holders.get(key) == threading.get_ident():
            yield
            return
        _lock(descriptor, folder)
        _holders[key] = threading.get_ident()
        try:
            yield
        finally:
            del _holders[key]
    finally:
        os.close(descriptor)


def _lock(descriptor, folder):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(
            "Only one process may write to a folder at a time. Received: "
            f"folder='{folder}', where another one writes. Wait until it has "
            "ended, or pass another folder."
        ) from error
    except OSError:
        pass  # Some network file systems know no locks, or none of folders.


@contextlib.contextmanager
def made_folder(folder):
    """Make a folder and lock it; whatever is empty in the end is removed."""
    folder = pathlib.Path(folder)
    lineage = (folder, *folder.parents)
    new = [path for path in lineage if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked_folder(folder):
            yield
    finally:
        for path in new:  # Innermost first.
            # One that holds a file, ours or another's, stays.
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def sigterm_exits():
    """Let SIGTERM leave the block as an exception, so that it cleans up.

    By itself the signal ends Python on the spot. Where the program, or Orbit's
    loop, has a handler of its own, that one stays.
    """
    # Python takes signals in its main thread only.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number, frame):
    # Once: a second one would stop what cleans up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


# === Folders ===

# A folder without it is not a model: it goes first and comes last.
_MARKER = "config.json"
# In a hidden folder: what is to be moved, and where the old files wait.
_JOURNAL, _ASIDE = ".moves.json", ".old"
_HIDDEN = re.compile(r"\..*-[0-9a-f]{8}\.tmp")


@contextlib.contextmanager
def atomic_folder(folder, may_replace=None, owned=()):
    """Yield a hidden folder whose files get their place when the block ends.

    A folder that is missing appears at once. In one that is there, the files
    that are `owned` go, the new ones come, and all others stay. If the block
    raises, or a file cannot be moved, everything is as it was.
    """
    folder = pathlib.Path(folder).resolve()
    check_is_free(folder, may_replace)
    with contextlib.ExitStack() as stack:
        stack.enter_context(sigterm_exits())
        if folder.exists():
            stack.enter_context(locked_folder(folder))
        temporary = stack.enter_context(_temporary(_hidden(folder)))
        yield temporary
        # Once more: writing a large model takes minutes.
        _check_content(folder, may_replace)
        if folder.exists():
            stack.enter_context(locked_folder(folder))
            move_files(temporary, folder, owned)
        else:
            temporary.rename(folder)


@contextlib.contextmanager
def written_folder(folder):
    """Make and lock a folder; give a hidden one in it, for `move_files`."""
    folder = pathlib.Path(folder).resolve()
    with sigterm_exits(), made_folder(folder):
        recover_folder(folder)
        with _temporary(_hidden(folder)) as temporary:
            yield temporary


def recover_folder(folder):
    """Put back what was there before a process died in the midst of a move.

    Cheap, and harmless while another process writes: readers call it as well.
    """
    folder = pathlib.Path(folder).resolve()
    # No right to write here, no other to have died here.
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if not _HIDDEN.fullmatch(path.name) or path.is_symlink():
                continue
            if not (path / _JOURNAL).exists():
                continue
            with locked_folder(path):  # Not one that lives.
                if not _is_done(path):
                    _check_journal(path, folder)
                    _undo(path, folder)
                shutil.rmtree(path)


def check_is_free(folder, may_replace=None):
    """Raise unless a folder can be written: it is missing, empty or may go."""
    folder = pathlib.Path(folder).resolve()
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(
                "The folder must be a folder or not exist yet. Received: "
                f"folder='{folder}', where {path} is a file. Pass another path."
            )
    recover_folder(folder)
    _check_content(folder, may_replace)
    _check_is_writable(folder)


def _check_is_writable(folder):
    """Raise unless a folder's files, or the folder itself, can be made."""
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


def _check_content(folder, may_replace):
    """Raise if a folder holds files that may not be replaced."""
    if not folder.exists() or all(
        _HIDDEN.fullmatch(path.name) for path in folder.iterdir()
    ):
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


def move_files(temporary, folder, owned, marker=_MARKER):
    """Put files into the place of those that a folder owns.

    The folder itself stays, for it may be a link, a mounted disk, a clone of
    a repository or where the user is. On any error all goes back; where the
    process dies, `recover_folder` does the same.
    """
    new = [
        p.relative_to(temporary) for p in temporary.rglob("*") if p.is_file()
    ]
    old = {p for pattern in owned for p in folder.glob(pattern)}
    old |= {folder / name for name in new if (folder / name).exists()}
    for path in old:
        if path.is_dir():
            raise IsADirectoryError(
                "A file that is to be replaced must not be a folder. Received: "
                f"{path}. Remove it, or pass another path."
            )
    old = [path.relative_to(folder) for path in old]
    old = sorted(old, key=lambda name: name != pathlib.Path(marker))
    new = sorted(new, key=lambda name: name == pathlib.Path(marker))
    _write_journal(temporary, old, new)
    try:
        for name in old:
            _move(folder / name, temporary / _ASIDE / name)
        for name in new:
            _move(temporary / name, folder / name)
    except BaseException:
        _undo(temporary, folder)
        raise
    # From here on the new ones count, whatever happens.
    (temporary / _JOURNAL).unlink()


def _move(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)


def _write_journal(temporary, old, new):
    with open(temporary / _JOURNAL, "w", encoding="utf-8") as file:
        json.dump({"old": [*map(str, old)], "new": [*map(str, new)]}, file)
        file.flush()
        os.fsync(file.fileno())


def _read_journal(temporary):
    """The names of the old files and of the new ones."""
    try:
        journal = json.loads((temporary / _JOURNAL).read_text("utf-8"))
    except ValueError:
        return [], []  # It was still being written: nothing has moved.
    return journal["old"], journal["new"]


def _is_done(temporary):
    return not any(
        (temporary / x).exists() for x in _read_journal(temporary)[1]
    )


def _undo(temporary, folder):
    """Move back what a journal names and has been moved."""
    old, new = _read_journal(temporary)
    for name in reversed(new):
        if not os.path.lexists(temporary / name):
            _move_back(folder / name, temporary / name)
    for name in reversed(old):
        _move_back(temporary / _ASIDE / name, folder / name)


def _move_back(source, target):
    if os.path.lexists(source):
        _move(source, target)


def _check_journal(temporary, folder):
    """Raise at names that lead elsewhere: the folder may be from elsewhere."""
    for name in itertools.chain(*_read_journal(temporary)):
        for root in (temporary, temporary / _ASIDE, folder):
            parent = (root / name).parent
            # Neither by itself nor through a link.
            if ".." in parent.parts or parent.resolve() != parent:
                raise PermissionError(f"{_JOURNAL} with {name}")
            if not parent.is_relative_to(root):
                raise PermissionError(f"{_JOURNAL} with {name}")


@contextlib.contextmanager
def _temporary(path):
    """Make a folder that is locked as long as it is in use."""
    path.mkdir(parents=True)
    try:
        with locked_folder(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _hidden(folder):
    """A new path on the disk of a folder: in it, or beside where it will be."""
    name = _hidden_name(folder)
    return folder / name if folder.exists() else folder.with_name(name)


def _hidden_name(folder):
    return f".{folder.name}-{uuid.uuid4().hex[:8]}.tmp"
