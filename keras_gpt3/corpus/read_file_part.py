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
    """Reads the file of a part; what `run_parts` calls.

    Args:
        roots: dict of source to the folder above all of its files. The path
            of a file below it is its name in ids.
        languages: list of strings. Codes such as `"en"` of those that are
            kept. Defaults to `None`, all, and none is identified.
        min_language_score: float. Defaults to `0.3`.
        min_characters: int. Shorter documents are put aside. Defaults to `1`.
        max_line_bytes: int. Longer lines, records and text files are put
            aside. Defaults to `2**26`.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus.read_file_part import ReadFilePart
    from keras_gpt3.corpus.stage_part import StagePart

    pathlib.Path("a.txt").write_text("Once")
    part = StagePart("novels", "part-00000", "1_read", "a.txt", "1f")
    ReadFilePart(roots={"novels": "."})(part)["documents_out"]  # 1
    ```
    """

    roots: dict
    languages: list | None = None
    min_language_score: float = 0.3
    min_characters: int = 1
    max_line_bytes: int = 2**26

    def __call__(self, part):
        """Writes a part, what is put aside, and the hashes of the ids.

        Args:
            part: `StagePart`. Its input is the file.

        Returns:
            A dict, its counts; `"other_records"` is that of an archive's
            records that are no documents, by kind.
        """
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
    """Counts a document that is kept, and how sure its language is.

    Args:
        counts: `PartCounts`.
        document: `Document`.

    Example:

    ```python
    from keras_gpt3.corpus.document import Document
    from keras_gpt3.corpus.part_counts import PartCounts
    from keras_gpt3.corpus.read_file_part import count_kept

    count_kept(PartCounts(), Document("a", "novels", "Once"))
    ```
    """
    counts.keep(document)
    score = document.extra.get("language_score")
    if score is not None:
        counts.observe("language score", score)


def ids_path(part):
    """Where the hashes of a part's ids are.

    Args:
        part: `StagePart`.

    Returns:
        A string.

    Example:

    ```python
    from keras_gpt3.corpus.read_file_part import ids_path
    from keras_gpt3.corpus.stage_part import StagePart

    ids_path(StagePart("novels", "part-00000", "1_read", "a.txt", "1f"))
    # "1_read/novels/ids/part-00000.npy"
    ```
    """
    return part.path(IDS[0].format(part.name))
