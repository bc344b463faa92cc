"""One part of a stage: the unit of work, and of what a restart redoes."""

import dataclasses
import json
import os
import pathlib

from keras_gpt3.corpus.part_file import PART_SUFFIX
from keras_gpt3.replaced_file import write_json

# The kind of what a stage puts aside, after the first.
DROPPED = "dropped"


@dataclasses.dataclass(frozen=True)
class StagePart:
    """What one part is made from, and where it goes.

    It is done once its counts are written, last of all; they name the digest
    and the sizes of its files, as long as these are there.
    """

    source: str
    name: str
    folder: str
    input: str
    digest: str
    others: tuple = ()

    @property
    def output(self):
        """The path of its documents."""
        return self.path(self.name + PART_SUFFIX)

    @property
    def counts_path(self):
        """The path of its counts."""
        return self.path(self.name + ".json")

    def aside(self, kind):
        """The path of what is put aside."""
        return self.path(kind, self.name + PART_SUFFIX)

    @property
    def counts(self):
        """What `finish` was given, or `None` unless the part is done."""
        try:
            fields = json.loads(pathlib.Path(self.counts_path).read_bytes())
            is_same = fields["digest"] == self.digest
            if is_same and fields["sizes"].items() <= self._sizes().items():
                return fields["counts"]
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            pass
        return None

    @property
    def is_done(self):
        """Whether its counts are there, of this input and these settings."""
        return self.counts is not None

    def finish(self, counts):
        """Marks the part as done; its files must be in their place."""
        sizes = self._sizes()
        fields = {"digest": self.digest, "sizes": sizes, "counts": counts}
        write_json(self.counts_path, fields)

    def reset(self):
        """Takes the mark away, before the part is made again.

        Else the counts of what was there before could be taken for those of
        another text, if a kill comes between the two.
        """
        pathlib.Path(self.counts_path).unlink(missing_ok=True)

    def path(self, *names):
        """A path in the folder of its source."""
        return str(pathlib.Path(self.folder, self.source, *names))

    def _sizes(self):
        """The bytes of those of its files that there are."""
        names = [self.name + PART_SUFFIX]
        names += [name.format(self.name) for name in self.others]
        paths = {name: self.path(name) for name in names}
        return {
            name: os.path.getsize(path)
            for name, path in paths.items()
            if os.path.isfile(path)
        }
