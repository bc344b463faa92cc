"""Which SavedModels of a folder can be served: itself, or its versions."""

import contextlib
import logging
import pathlib

from keras_gpt3.echoed_value import echoed
from keras_gpt3.export.version_folder import read_metadata

_LOG = logging.getLogger(__name__)


def newest_versions(folder):
    """Finds the SavedModels to serve, the newest first.

    A base folder holds versions in folders of digits, as TensorFlow Serving
    takes them; anything else in it is passed over.
    """
    folder = pathlib.Path(folder)
    if _is_saved_model(folder):
        number = folder.resolve().name
        return [(int(number) if _is_number(number) else 1, folder)]
    children = folder.iterdir() if folder.is_dir() else ()
    versions = [
        (int(path.name), path)
        for path in children
        if _is_number(path.name) and _is_saved_model(path)
    ]
    if not versions:
        raise ValueError(
            "FOLDER must be a SavedModel, or hold versions in folders such as "
            f"1. Received: FOLDER={echoed(str(folder))}. Write one with "
            "model.export(folder)."
        )
    return sorted(versions, reverse=True)


def folder_state(path):
    """What changes with a folder: the size and time of each of its files."""
    state = {}
    for file in sorted(pathlib.Path(path).rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                facts = file.stat()
                name = file.relative_to(path).as_posix()
                state[name] = (facts.st_size, facts.st_mtime_ns)
    return state


def is_whole(path, state):
    """Whether a version has all the files that its metadata lists."""
    metadata = read_metadata(path)
    return metadata is not None and all(
        state.get(name, (None,))[0] == size
        for name, size in metadata["file_sizes"].items()
    )


class _LoadError(Exception):
    """A version could not be loaded; the reason in a line."""


class VersionLoader:
    """Chooses versions of a folder and loads them.

    A version is loaded when its files are those that it lists: it may be
    copied file by file. One that cannot be loaded is tried again when its
    files have changed, and until then the next lower one is.

    TensorFlow does not give back all memory of a version that is no longer
    served, hence the bound of loads.
    """

    def __init__(self, folder, load, max_loads):
        self._folder = folder
        self._load = load
        self._loads_left = max_loads
        self._max_loads = max_loads
        self._failed = {}

    def load_first(self):
        """Loads the newest version that can be loaded, at the start."""
        reasons = []
        for version, path in newest_versions(self._folder):
            state = folder_state(path)
            if not is_whole(path, state):
                reasons.append(f"{version} is not whole")
                _LOG.warning("Version %d is not whole yet.", version)
                continue
            try:
                return self._loaded(version, path, state)
            except _LoadError as error:
                reasons.append(f"{version}: {error}")
        raise ValueError(
            "FOLDER must hold a version that can be loaded. Received: "
            f"FOLDER={echoed(str(self._folder))} ({'; '.join(reasons)}). Copy "
            "or export it again."
        )

    def load_newer(self, than):
        """Loads the newest version, if it is newer than one that is served."""
        try:
            versions = newest_versions(self._folder)
        except (ValueError, OSError):
            return None  # Removed: what is loaded is served on.
        for version, path in versions:
            if version <= than:
                return None
            state = folder_state(path)
            is_new = self._failed.get(version) != state
            if is_new and is_whole(path, state):
                if not self._loads_left:
                    self._say_that_no_more(version, state)
                    return None
                try:
                    return self._loaded(version, path, state)
                except _LoadError:
                    continue  # Logged: the next lower one may be sound.
        return None

    def _loaded(self, version, path, state):
        self._loads_left -= 1
        try:
            served = self._load(version, path)
            if folder_state(path) != state:
                raise ValueError(
                    "A version must not change while it is loaded. Received: "
                    f"version={version}, which did. It is tried again."
                )
        except Exception as error:
            # Whatever is wrong with it, another one is served.
            self._failed[version] = state
            reason = _reason(error)
            _LOG.error("Version %d could not be loaded: %s", version, reason)
            raise _LoadError(reason) from error
        return served

    def _say_that_no_more(self, version, state):
        self._failed[version] = state
        _LOG.error(
            "A server must load at most %d versions, of which some memory "
            "stays. Received: version %d. Restart the server to have it.",
            self._max_loads,
            version,
        )


def _is_number(name):
    return name.isascii() and name.isdigit()


def _is_saved_model(path):
    return (path / "saved_model.pb").is_file()


def _reason(error):
    """The first line of TensorFlow's many."""
    lines = str(error).strip().splitlines()
    return f"{lines[0]:.200}" if lines else type(error).__name__
