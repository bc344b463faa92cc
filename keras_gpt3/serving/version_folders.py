"""Which SavedModels of a folder can be served: itself, or its versions."""

import contextlib
import logging
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.export.version_folder import read_metadata

_logger = logging.getLogger("keras_gpt3")


def newest_versions(folder, name="FOLDER"):
    """Find the SavedModels to serve, the newest first.

    A base folder holds versions in folders of digits, as for TensorFlow
    Serving; anything else in it is ignored.
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
            f"{name} must be a SavedModel, or hold versions in folders such as "
            f"1. Received: {name}={echoed(str(folder))}. Write one with "
            "model.export(folder)."
        )
    return sorted(versions, reverse=True)


def folder_state(path):
    """The size and time of each file, which change with the folder."""
    state = {}
    for file in sorted(pathlib.Path(path).rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                status = file.stat()
                name = file.relative_to(path).as_posix()
                state[name] = (status.st_size, status.st_mtime_ns)
    return state


def is_whole(path, state):
    """Whether a version has all the files that its metadata lists."""
    metadata = read_metadata(path)
    return metadata is not None and all(
        state.get(name, (None,))[0] == size
        for name, size in metadata["file_sizes"].items()
    )


class VersionLoader:
    """Chooses versions of a folder and loads them.

    A version is loaded when its files are those that it lists: it may be
    copied file by file. One that cannot be loaded is tried again when its
    files have changed, and until then the next lower one is.

    TensorFlow does not free all memory of a version that is no longer served:
    hence the limit of loads.
    """

    def __init__(self, folder, load, max_loads):
        self._folder = folder
        self._load = load
        self._loads_left = max_loads
        self._max_loads = max_loads
        # By version: the state of its files, and a reason in a line.
        self._failed = {}

    def load_first(self):
        """Load the newest version that can be loaded, at the start."""
        newest_versions(self._folder)  # Raises where there are none.
        served = self.load_newer(than=-1)
        if served is None:
            reasons = [f"{v}: {why}" for v, (_, why) in self._failed.items()]
            raise ValueError(
                "FOLDER must hold a version that can be loaded. Received: "
                f"FOLDER={echoed(str(self._folder))} ({'; '.join(reasons)}). "
                "Copy or export it again."
            )
        return served

    def load_newer(self, than):
        """Load the newest version, if it is newer than one that is served."""
        try:
            versions = newest_versions(self._folder)
        except (ValueError, OSError):
            return None  # Removed: the loaded version stays.
        for version, path in versions:
            if version <= than:
                return None
            state = folder_state(path)
            if self._failed.get(version, (None,))[0] == state:
                continue
            if not is_whole(path, state):
                self._fail(version, state, "its files are not whole yet")
            elif not self._loads_left:
                self._fail(
                    version,
                    state,
                    f"A server must load at most {self._max_loads} versions, "
                    "of which some memory stays. Received: one more. Restart "
                    "the server to have it.",
                )
                return None
            else:
                served = self._loaded(version, path, state)
                if served is not None:
                    return served
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
            # Whatever is wrong with it, another version may be sound.
            self._fail(version, state, _reason(error))
            return None
        return served

    def _fail(self, version, state, reason):
        # Once: the files of a version that is being copied change all the time.
        if self._failed.get(version, (None, None))[1] != reason:
            _logger.error("Version %d could not be loaded: %s", version, reason)
        self._failed[version] = state, reason


def _is_number(name):
    return name.isascii() and name.isdigit()


def _is_saved_model(path):
    return (path / "saved_model.pb").is_file()


def _reason(error):
    """The first line of TensorFlow's many."""
    lines = str(error).strip().splitlines()
    return f"{lines[0]:.200}" if lines else type(error).__name__
