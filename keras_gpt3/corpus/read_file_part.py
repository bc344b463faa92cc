"""Makes a part of a file: its documents, repaired and chosen by language."""

import collections
import dataclasses
import os

from keras_gpt3.corpus.language import identify_language
from keras_gpt3.corpus.part_counts import PartCounts
from keras_gpt3.corpus.part_file import PartWriter
from keras_gpt3.corpus.readers.other_record import OtherRecord
from keras_gpt3.corpus.readers.read_file import read_file
from keras_gpt3.corpus.rejected_record import RejectedRecord
from keras_gpt3.corpus.repeated_ids import write_ids
from keras_gpt3.corpus.text_repair import repair_text

REJECTED = "rejected"
# What a part is of, beside its documents: `others` of its `Stage`.
IDS = ("ids/{}.npy",)


@dataclasses.dataclass(frozen=True)
class ReadFilePart:
    """Reads the file of a part; what `run_parts` calls."""

    roots: dict
    languages: list | None = None
    min_language_score: float = 0.3
    min_characters: int = 1
    max_line_bytes: int = 2**26

    def __call__(self, part):
        """Writes a part, what is put aside, and the hashes of the ids."""
        counts, ids, others = PartCounts(), [], collections.Counter()
        name = os.path.relpath(part.input, self.roots[part.source])
        with (
            PartWriter(part.output) as writer,
            PartWriter(part.aside(REJECTED)) as aside,
        ):
            for item in read_file(
                part.input, part.source, name, self.max_line_bytes
            ):
                if isinstance(item, OtherRecord):
                    others[item.kind] += 1
                    continue
                counts.read(item)
                item = self._checked(item)
                if isinstance(item, RejectedRecord):
                    counts.drop(item)
                    aside.write(item)
                else:
                    count_kept(counts, item)
                    ids.append(item.id)
                    writer.write(item)
        write_ids(ids_path(part), ids)
        return counts.to_json() | {"files": 1, "other_records": dict(others)}

    def _checked(self, item):
        """The document, mended, or why it is put aside."""
        if isinstance(item, RejectedRecord):
            return item
        document = dataclasses.replace(item, text=repair_text(item.text))
        if len(document.text) < max(1, self.min_characters):
            reason = "short text" if document.text else "empty text"
            return RejectedRecord.of_document(document, reason)
        if self.languages is None:
            return document
        language, score = identify_language(document.text)
        found = {"language": language, "language_score": score}
        if language not in self.languages:
            return RejectedRecord.of_document(document, "other language", found)
        if score < self.min_language_score:
            return RejectedRecord.of_document(
                document, "unsure language", found
            )
        return document.with_extra(**found)


def count_kept(counts, document):
    """Counts a document that is kept, and how sure its language is."""
    counts.keep(document)
    score = document.extra.get("language_score")
    if score is not None:
        counts.observe("language score", score)


def ids_path(part):
    """Where the hashes of a part's ids are."""
    return part.path(IDS[0].format(part.name))
