"""A stage: a folder of parts, made from the parts of the stage before."""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import PARTIAL_SUFFIX
from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.pipeline.part_counts import merge_counts
from keras_gpt3.corpus.pipeline.part_file import StagePart

SETTINGS_NAME = "settings.json"
STAGE_NAME = "stage.json"

# Of what the code of all stages makes. One more where a change of the code
# makes other parts of the same input and settings.
FORMAT = 1


class Stage:
    """The parts of one stage: which are done, and which are to be made.

    A folder belongs to one run: `start` writes the settings there, parts
    appear one by one, `finish` sums up their counts. After a kill, or with
    other inputs, only the parts that are missing or changed are made again.
    """

    def __init__(
        self, name, folder, inputs, settings, depends_on="", others=()
    ):
        self.name = name
        self.folder = pathlib.Path(folder)
        # As they come back from their file: tuples become lists.
        self.settings = json.loads(json.dumps(settings))
        self._common = json_digest(FORMAT, name, self.settings, depends_on)
        # Stable: in each source, the order stays.
        inputs = sorted(inputs, key=lambda item: item.source)
        self._inputs = inputs_digest(inputs)
        self.parts = self._make_parts(inputs, tuple(others))
        self.digest = json_digest(
            self._common, [part.digest for part in self.parts]
        )

    def _make_parts(self, inputs, others):
        parts, numbers = [], {}
        for item in inputs:
            number = numbers.get(item.source, 0)
            numbers[item.source] = number + 1
            parts.append(
                StagePart(
                    source=item.source,
                    name=f"part-{number:05}",
                    folder=str(self.folder),
                    input=item.path,
                    digest=json_digest(self._common, item.source, item.digest),
                    others=others,
                )
            )
        return parts

    @property
    def is_done(self):
        """Whether it was finished like this, and all parts are still there."""
        is_finished = self._read(STAGE_NAME).get("digest") == self.digest
        return is_finished and all(part.is_done for part in self.parts)

    @property
    def totals(self):
        """What `finish` wrote, `None` unless the stage is done."""
        fields = self._read(STAGE_NAME)
        return fields["totals"] if fields.get("digest") == self.digest else None

    def start(self, overwrite=False):
        """Make the folder ready: for a new run, or to resume this one."""
        self.claim(overwrite)
        for path in self.folder.rglob(f".*{PARTIAL_SUFFIX}"):
            path.unlink(missing_ok=True)
        if not self.is_done:
            self.reopen()

    def reopen(self):
        """Take back that it is done, and the counts of stale parts."""
        (self.folder / STAGE_NAME).unlink(missing_ok=True)
        for part in self.pending_parts():
            part.reset()

    def claim(self, overwrite=False):
        """Write the settings, and leave alone what this run has made."""
        if self.folder.exists():
            self._check_folder(overwrite)
        write_json(self.folder / SETTINGS_NAME, self._own_settings())

    def pending_parts(self):
        """The parts that are not done."""
        return [part for part in self.parts if not part.is_done]

    def part_counts(self):
        """The counts of all parts, which must be done."""
        counts = [(part, part.counts) for part in self.parts]
        missing = [part.counts_path for part, value in counts if value is None]
        if missing:
            raise ValueError(
                "A stage must have all of its parts. Received: stage="
                f"{echoed(self.name)} without {missing[0]} and "
                f"{len(missing) - 1} more. Run it again."
            )
        return counts

    def finish(self, extra=None):
        """Sum up the counts of all parts, and mark the stage as done."""
        by_source = {}
        for part, counts in self.part_counts():
            by_source.setdefault(part.source, []).append(counts)
        sources = {name: merge_counts(c) for name, c in by_source.items()}
        totals = {"sources": sources, "all": merge_counts(sources.values())}
        totals |= extra or {}
        self._remove_other_parts()
        write_json(
            self.folder / STAGE_NAME,
            {
                "stage": self.name,
                "digest": self.digest,
                # They show whether a stage was made from the one before.
                "inputs": self._inputs,
                "outputs": inputs_digest(self.outputs()),
                "totals": totals,
            },
        )
        return totals

    def outputs(self):
        """Its parts as inputs of the next stage."""
        return [
            StageInput(part.source, part.output, part.digest)
            for part in self.parts
        ]

    # === The folder ===

    def _own_settings(self):
        return {
            "stage": self.name,
            "format": FORMAT,
            "settings": self.settings,
        }

    def _read(self, name):
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return {}

    def _check_folder(self, overwrite):
        if not self.folder.is_dir():
            raise NotADirectoryError(
                "A stage's folder must be a folder or not exist yet. Received: "
                f"folder='{self.folder}', a file. Pass another path."
            )
        found = self._read(SETTINGS_NAME)
        if found == self._own_settings() or not any(self.folder.iterdir()):
            return
        if not found:
            # Never removed: it may be anything.
            raise FileExistsError(
                "A stage's folder must be empty, or hold that stage. Received: "
                f"folder='{self.folder}' without {SETTINGS_NAME}. Pass another "
                "path."
            )
        if not overwrite:
            raise FileExistsError(
                "A stage's folder must hold no other run. Received: "
                f"folder='{self.folder}' with {self._difference(found)}. Pass "
                "another path, or overwrite=True (--overwrite)."
            )
        _empty(self.folder)

    def _difference(self, found):
        """Name the first setting that another run had otherwise."""
        if found.get("stage") != self.name:
            return (
                f"stage={echoed(found.get('stage'))}, not {echoed(self.name)}"
            )
        if found.get("format") != FORMAT:
            return f"format={echoed(found.get('format'))}, not {FORMAT}"
        old, new = found.get("settings") or {}, self.settings
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key) or (key in old) != (key in new):
                return (
                    f"{key}={echoed(old.get(key))}, not {echoed(new.get(key))}"
                )
        return "other settings"

    def _remove_other_parts(self):
        """Remove the parts of files that are no longer an input."""
        own = {part.counts_path for part in self.parts}
        for path in self.folder.glob("*/part-*.json"):
            if str(path) not in own:
                for other in path.parent.rglob(path.stem + ".*"):
                    other.unlink()


def _empty(folder):
    """Remove a stage; what a kill leaves is still known as that stage."""
    last = folder / SETTINGS_NAME
    # First what says that it is whole.
    (folder / STAGE_NAME).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != last:
            path.unlink()
    last.unlink()


def json_digest(*values):
    """A text that differs for other values, of types that JSON holds."""
    text = json.dumps(values, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


@dataclasses.dataclass(frozen=True)
class StageInput:
    """A file, the data set that it is of, and a digest of its content."""

    source: str
    path: str
    digest: str

    @classmethod
    def of_file(cls, source, path, name=None):
        """A file whose name, size and time of change stand for its content."""
        found = os.stat(path)
        name = name or os.path.basename(path)
        digest = f"{name}:{found.st_size}:{found.st_mtime_ns}"
        return cls(source, str(path), digest)


def inputs_digest(inputs):
    """Compute a digest of a stage's inputs, or of what one has left."""
    return json_digest(sorted((item.source, item.digest) for item in inputs))
