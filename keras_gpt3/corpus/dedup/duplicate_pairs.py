"""Finds the pairs of duplicates among parts, as Beam pipelines."""

import dataclasses
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.dedup.dedup_plan import PAIR
from keras_gpt3.corpus.dedup.dedup_plan import make_pairs
from keras_gpt3.corpus.dedup.lsh_bands import candidate_pairs
from keras_gpt3.corpus.dedup.lsh_bands import scattered
from keras_gpt3.corpus.dedup.signatures import equal_pairs
from keras_gpt3.corpus.dedup.signatures import json_bytes
from keras_gpt3.corpus.pipeline.corpus_pipeline import corpus_pipeline
from keras_gpt3.needed_packages import import_extra


@dataclasses.dataclass(frozen=True)
class DuplicatePairs:
    """Finds equal and similar documents of parts.

    Equal texts are found first, and only one of them is compared further.
    Documents are shuffled in blocks of arrays, since Beam's cost is by the
    element: first their digests, then their band keys, then the words of those
    that are worth comparing; never a text.
    """

    parts: tuple
    folder: str
    num_blocks: int
    settings: DedupSection = DedupSection()

    def find(self, options):
        """Run both pipelines, or those that a killed run did not end."""
        steps = {"equal": self._add_equal, "similar": self._add_similar}
        for name, add_steps in steps.items():
            done = pathlib.Path(self.folder, f"{name}.done")
            if not done.exists():
                with corpus_pipeline(options) as pipeline:
                    add_steps(pipeline)
                write_json(done, True)
        return sorted(map(str, pathlib.Path(self.folder).glob("pairs-*.npz")))

    def _numbers(self, pipeline):
        beam = import_extra("apache_beam")
        numbers = range(len(self.parts))
        return pipeline | beam.Create(numbers) | beam.Reshuffle()

    # === Equal texts ===

    def _add_equal(self, pipeline):
        beam = import_extra("apache_beam")
        _ = (
            self._numbers(pipeline)
            | "Digests" >> beam.FlatMap(self._digest_blocks)
            | "By digest" >> beam.GroupByKey()
            | "Equal" >> beam.FlatMap(self._equal_pairs)
            | "By later part" >> beam.GroupByKey()
            | "Keep" >> beam.Map(self._write_equal)
        )

    def _digest_blocks(self, number):
        entries = self.parts[number].digest_entries(number)
        yield from self._scatter(entries)

    def _equal_pairs(self, item):
        entries = np.concatenate(list(item[1]))
        pairs = make_pairs(entries, equal_pairs(entries), is_exact=True)
        yield from _by_part(pairs, 1)

    def _write_equal(self, item):
        pairs = np.sort(np.concatenate(list(item[1])), order=["rows", "nodes"])
        with atomic_write(self._equal_path(item[0])) as file:
            np.save(file, pairs)

    def _read_equal(self, number):
        yield from _by_part(self._equal(number), 0)

    def _equal(self, number):
        path = self._equal_path(number)
        return np.load(path) if path.exists() else np.zeros(0, PAIR)

    def _equal_path(self, number):
        return pathlib.Path(self.folder, f"equal-{number:05}.npy")

    # === Similar ones ===

    def _add_similar(self, pipeline):
        beam = import_extra("apache_beam")
        numbers = self._numbers(pipeline)
        equal = numbers | "Equal" >> beam.FlatMap(self._read_equal)
        similar = (
            numbers
            | "Bands" >> beam.FlatMap(self._band_blocks)
            | "By band" >> beam.GroupByKey()
            | "Candidates" >> beam.FlatMap(self._candidates)
        )
        _ = (
            (equal, similar)
            | beam.Flatten()
            | "By part" >> beam.GroupByKey()
            | "Add words" >> beam.FlatMap(self._with_sets)
            | "By later part" >> beam.GroupByKey()
            | "Compare" >> beam.Map(self._compare)
        )

    def _band_blocks(self, number):
        equal = self._equal(number)["rows"][:, 1]
        yield from self._scatter(
            self.parts[number].band_entries(
                number, self.settings.num_bands, equal
            )
        )

    def _candidates(self, item):
        entries = np.concatenate(list(item[1]))
        pairs, counts = candidate_pairs(
            entries, self.settings.max_band_documents, self.settings.threshold
        )
        write_json(
            pathlib.Path(self.folder, f"bands-{item[0]:05}.json"), counts
        )
        yield from _by_part(make_pairs(entries, pairs), 0)

    def _with_sets(self, item):
        """The pairs of a part, with words and ids of their first documents."""
        number, arrays = item
        # A pair may stand in several bands.
        pairs = np.unique(np.concatenate(list(arrays)))
        signatures = self.parts[number].signatures()
        for later, some in _by_part(pairs, 1):
            rows, local = np.unique(some["rows"][:, 0], return_inverse=True)
            ids = [signatures.ids[row] for row in rows]
            yield later, (number, some, signatures.sets[rows], local, ids)

    def _compare(self, item):
        """Write the pairs of a part's documents that are similar enough."""
        number, messages = item
        signatures = self.parts[number].signatures()
        found, similarities, ids = [], [], []
        for _, pairs, sets, local, first_ids in sorted(
            messages, key=lambda message: message[0]
        ):
            rows = pairs["rows"][:, 1].astype("int64")
            similarity = jaccard_similarities(
                sets, signatures.sets, local, rows
            )
            similarity[pairs["is_exact"]] = 1.0
            kept = np.flatnonzero(similarity >= self.settings.threshold)
            found.append(pairs[kept])
            similarities.append(similarity[kept])
            ids += [
                (first_ids[local[i]], signatures.ids[rows[i]]) for i in kept
            ]
        pairs = np.concatenate(found)
        path = pathlib.Path(self.folder, f"pairs-{number:05}.npz")
        with atomic_write(path) as file:
            np.savez(
                file,
                pairs=pairs,
                nodes=pairs["nodes"],
                similarities=np.concatenate(similarities),
                ids=json_bytes(ids),
            )

    def _scatter(self, entries):
        return scattered(entries, entries["key"], self.num_blocks)


def _by_part(pairs, end):
    """Yield pairs of a part's number and the pairs it has an end of."""
    parts = pairs["parts"][:, end]
    for part in np.unique(parts):
        yield int(part), pairs[parts == part]


# Pairs that are compared at a time: bounds the memory.
_PAIRS = 2**14


def jaccard_similarities(sets, other_sets, rows, other_rows):
    """Compute the Jaccard similarities of pairs of sets."""
    rows = np.asarray(rows, "int64")
    other_rows = np.asarray(other_rows, "int64")
    sizes = np.diff(sets.indptr)[rows].astype("int64")
    union = sizes + np.diff(other_sets.indptr)[other_rows]
    common = np.zeros(len(rows), "int64")
    for i in range(0, len(rows), _PAIRS):
        chunk = slice(i, i + _PAIRS)
        common[chunk] = _common(
            sets[rows[chunk]], other_sets[other_rows[chunk]]
        )
    return common / np.maximum(union - common, 1)


def _common(sets, other_sets):
    """How many features both sets of each row hold."""
    for each in (sets, other_sets):
        each.data = np.ones(len(each.indices), "int32")
    return sets.multiply(other_sets).sum(axis=1)
