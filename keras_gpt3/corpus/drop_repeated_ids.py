"""Makes a part of the same part, less the documents whose id came before."""

import dataclasses
import json
import os
import pathlib
import shutil

from keras_gpt3.corpus.merge_counts import merge_counts
from keras_gpt3.corpus.part_counts import PartCounts
from keras_gpt3.corpus.part_file import PART_SUFFIX
from keras_gpt3.corpus.part_file import PartWriter
from keras_gpt3.corpus.part_file import read_part
from keras_gpt3.corpus.part_file import read_part_lines
from keras_gpt3.corpus.read_file_part import REJECTED
from keras_gpt3.corpus.read_file_part import count_kept
from keras_gpt3.corpus.rejected_record import RejectedRecord
from keras_gpt3.replaced_file import partial_path

_REASON = "duplicate id"


@dataclasses.dataclass(frozen=True)
class DropRepeatedIds:
    """Puts documents aside by their places; what `run_parts` calls."""

    places: dict

    def __call__(self, part):
        """Writes a part, and what is put aside."""
        before = pathlib.Path(part.input)
        rejected = before.parent / REJECTED / before.name
        stem = before.name.removesuffix(PART_SUFFIX)
        counts = json.loads(before.with_name(stem + ".json").read_bytes())
        again = frozenset(self.places.get(part.input, ()))
        if again:
            return _rewrite(part, rejected, again, counts["counts"])
        _link(rejected, part.aside(REJECTED))
        _link(before, part.output)
        return counts["counts"]


def _rewrite(part, rejected, again, counts):
    new = PartCounts()
    with (
        PartWriter(part.output) as writer,
        PartWriter(part.aside(REJECTED)) as aside,
    ):
        for line in read_part_lines(rejected):
            aside.write(RejectedRecord.from_json(line))
        for place, document in enumerate(read_part(part.input)):
            if place in again:
                record = RejectedRecord.of_document(document, _REASON)
                aside.write(record)
                new.drop(record)
            else:
                count_kept(new, document)
                writer.write(document)
    new = new.to_json()
    for key in ("dropped", "samples"):
        new[key] = merge_counts([counts[key], new[key]])
    for key in ("documents_in", "characters_in"):
        new[key] = counts[key]
    return counts | new


def _link(path, target):
    """Gives a file a second name, or copies it where disks have none."""
    target = pathlib.Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(target)
    try:
        try:
            os.link(path, partial)
        except OSError:
            shutil.copyfile(path, partial)
        os.replace(partial, target)
    finally:
        # To replace a file by another name of it does nothing.
        partial.unlink(missing_ok=True)
