"""Writes one part without the documents that were found to be duplicates."""

import dataclasses
import json
import pathlib

from keras_gpt3.corpus.part_counts import PartCounts
from keras_gpt3.corpus.part_file import PartWriter
from keras_gpt3.corpus.part_file import read_part
from keras_gpt3.corpus.rejected_record import RejectedRecord
from keras_gpt3.corpus.stage_part import DROPPED

_NAMED = ("matched", "similarity", "kept")


@dataclasses.dataclass(frozen=True)
class DropDuplicates:
    """Copies a part but for some rows, which it puts aside."""

    drops: dict

    def __call__(self, part):
        drops = read_drops(self.drops[part.input])
        drops = {drop["row"]: drop for drop in drops}
        counts = PartCounts()
        with (
            PartWriter(part.output) as writer,
            PartWriter(part.aside(DROPPED)) as aside,
        ):
            for row, document in enumerate(read_part(part.input)):
                counts.read(document)
                if row not in drops:
                    counts.keep(document)
                    writer.write(document)
                    continue
                drop = drops[row]
                detail = {name: drop[name] for name in _NAMED}
                record = RejectedRecord.of_document(
                    document, drop["reason"], detail
                )
                counts.observe("similarity", drop["similarity"])
                counts.drop(record)
                aside.write(record)
        return counts.to_json()


def read_drops(path):
    """Reads which documents of a part go."""
    try:
        return json.loads(pathlib.Path(path).read_bytes())
    except FileNotFoundError as error:
        # Not taken for a part of which nothing goes.
        raise FileNotFoundError(
            "What goes of a part must be told. Received: "
            f"file='{path}', which is missing. Run dedup there again."
        ) from error
    except ValueError as error:
        raise ValueError(
            "What goes of a part must be a list in JSON. Received: "
            f"file='{path}' ({error}). Remove it and run dedup there again."
        ) from error
