"""What a checkpoint holds, and how it is seen that it still does."""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import platform

import keras
import numpy as np

from keras_gpt3.regular_file import check_regular_file
from keras_gpt3.version import __version__

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1
_OF_FILE, _OF_ARRAY = {"num_bytes", "sha256"}, {"dtype", "shape"}
_KINDS = {
    "step": int,
    "metric": (int, float, type(None)),
    **dict.fromkeys(("metadata", "arrays", "files", "versions"), dict),
}


@dataclasses.dataclass(frozen=True)
class CheckpointManifest:
    """What a checkpoint's folder holds; it carries a checksum of itself."""

    step: int
    metric: float | None
    metadata: dict
    format: str
    arrays: dict
    files: dict
    versions: dict
    written: str

    @classmethod
    def of_now(cls, step, metric, metadata, arrays_format, arrays, files):
        """Make the manifest of a checkpoint that is being written.

        `arrays` are described, as by `described`.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        versions = {
            "keras": keras.__version__,
            "keras_gpt3": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            **arrays_format.versions(),
        }
        name = arrays_format.name
        return cls(step, metric, metadata, name, arrays, files, versions, now)

    def write(self, folder):
        """Write `manifest.json`, and bring it to the disk."""
        fields = {
            "format_version": FORMAT_VERSION,
            **dataclasses.asdict(self),
        }
        fields["sha256"] = _digest(fields)
        path = folder / MANIFEST_NAME
        # In a bucket it appears when it is closed: whole, or not at all.
        with path.open("w", encoding="utf-8") as file:
            json.dump(fields, file, indent=1)
            if isinstance(folder, pathlib.Path):
                file.flush()
                os.fsync(file.fileno())

    @classmethod
    def read(cls, folder):
        """Read and check `manifest.json`."""
        path = folder / MANIFEST_NAME
        check_regular_file(path)
        try:
            fields = json.loads(path.read_bytes())
            found = fields.pop("sha256")
            version = fields["format_version"]
            is_whole = found == _digest(fields)
        except (
            AttributeError,
            KeyError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise ValueError(_changed(path, repr(error))) from error
        if version != FORMAT_VERSION:
            raise ValueError(
                f"A checkpoint's format_version must be {FORMAT_VERSION}. "
                f"Received: format_version={version!r:.200} in file='{path}'. "
                "Update keras_gpt3 or restore another checkpoint."
            )
        if not is_whole:
            raise ValueError(_changed(path, "another sha256 than it states"))
        del fields["format_version"]
        reason = _fault(fields)
        if reason:
            raise ValueError(_changed(path, reason))
        return cls(**fields)


def _fault(fields):
    """What is wrong with fields; anyone can compute a right checksum."""
    names = {field.name for field in dataclasses.fields(CheckpointManifest)}
    if set(fields) != names:
        changed = sorted(set(fields) ^ names)
        return f"other keys, {changed!r:.200}"
    for name, kinds in _KINDS.items():
        if not isinstance(fields[name], kinds) or isinstance(
            fields[name], bool
        ):
            return f"{name} of another type"
    for name, record in fields["files"].items():
        if not name or name.startswith("/") or ".." in name.split("/"):
            return f"a file elsewhere, {name!r:.200}"
        if not isinstance(record, dict) or not record.keys() >= _OF_FILE:
            return f"no size and sha256 of {name!r:.200}"
    for name, record in fields["arrays"].items():
        if not isinstance(record, dict) or not record.keys() >= _OF_ARRAY:
            return f"no dtype and shape of {name!r:.200}"
    return None


def _digest(fields):
    """The sha256 of fields, which does not depend on the file's layout."""
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def described(arrays):
    """Name to dtype and shape of arrays, as JSON holds them."""
    return {
        name: {"dtype": array.dtype.name, "shape": list(array.shape)}
        for name, array in arrays.items()
    }


def _changed(path, reason):
    return (
        "A checkpoint's manifest must be as it was written. Received: "
        f"file='{path}' ({reason}). Restore another checkpoint."
    )


# === Files ===


def seal_files(folder, has_checksums=True):
    """Bring a folder's files to the disk; return their sizes and checksums.

    Files in a bucket, which are addressed by `etils.epath`, are there already.
    """
    is_local = isinstance(folder, pathlib.Path)
    sealed = {}
    for path in _files(folder):
        record = sealed[path.relative_to(folder).as_posix()] = {
            "num_bytes": _num_bytes(path),
            "sha256": None,
        }
        with path.open("rb") as file:
            if is_local:
                os.fsync(file.fileno())
            if has_checksums:
                digest = hashlib.file_digest(file, "sha256")
                record["sha256"] = digest.hexdigest()
    return sealed


def _files(folder):
    # By hand: `etils.epath` has no `rglob`.
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _num_bytes(path):
    status = path.stat()
    # `etils.epath` calls it otherwise.
    return status.length if hasattr(status, "length") else status.st_size


def examine(folder, reads_all=True):
    """The manifest of a checkpoint, and what is wrong with it or its files.

    Each is `None` where there is none. Checksums are compared if every byte
    is to be read, else sizes alone.
    """
    try:
        manifest = CheckpointManifest.read(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None, f"{MANIFEST_NAME} is missing"
    except OSError as error:
        return None, f"{MANIFEST_NAME} cannot be read ({error})"
    except ValueError:
        damage = "is cut short, changed or of another format"
        return None, f"{MANIFEST_NAME} {damage}"
    damages = (
        _file_damage(folder, name, record, reads_all)
        for name, record in manifest.files.items()
    )
    return manifest, next(filter(None, damages), None)


def _file_damage(folder, name, record, reads_all):
    path = folder / name
    try:
        if _num_bytes(path) != record["num_bytes"]:
            return f"{name} has another size than its manifest states"
        if record["sha256"] is None or not reads_all:
            return None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read ({error})"
    if sha256 != record["sha256"]:
        return f"{name} has another sha256 than its manifest states"
    return None
