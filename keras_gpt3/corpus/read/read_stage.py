"""The first stage: from raw files to parts of documents."""

import dataclasses
import itertools
import json
import os
import pathlib
import shutil

from keras_gpt3.atomic_write import atomic_path
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_parts
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_stage
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.part_file import PART_SUFFIX
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.pipeline.part_file import sort_documents
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.read.read_file import common_folder
from keras_gpt3.corpus.read.read_file import input_files
from keras_gpt3.corpus.read.read_file_part import IDS
from keras_gpt3.corpus.read.read_file_part import REJECTED
from keras_gpt3.corpus.read.read_file_part import ReadFilePart
from keras_gpt3.corpus.read.read_file_part import count_language
from keras_gpt3.corpus.read.read_file_part import ids_path
from keras_gpt3.corpus.read.read_file_part import repeated_places

_NAME = "read"
# Each file by itself, before ids are compared. It stays: with one file more,
# only that one is read, and those after it, whose parts then have other
# numbers.
FILES_FOLDER = ".files"


def read_stage(
    settings,
    files,
    folder,
    options=None,
    verbose="auto",
    overwrite=False,
):
    """Read files into parts: one part a file, documents repaired and chosen.

    What is malformed, in another language, too short or too long, or has an
    id that an earlier document of its source has, goes to `rejected` beside
    the parts, with the reason.
    """
    roots = {source: common_folder(paths) for source, paths in files.items()}
    files = {source: input_files(paths) for source, paths in files.items()}
    if settings.languages is not None:
        languages = sorted(settings.languages)
        settings = dataclasses.replace(settings, languages=languages)
    read, settings = ReadFilePart(roots, settings), dataclasses.asdict(settings)
    options, folder = options or beam_options(), pathlib.Path(folder)
    # Refused before anything is written.
    Stage(_NAME, folder, [], settings).claim(overwrite)
    by_file = Stage(
        _NAME,
        folder / FILES_FOLDER,
        _inputs(read, files),
        settings,
        others=IDS,
    )
    run_stage(by_file, read, options, verbose)
    return _without_duplicates(by_file, folder, options)


def _inputs(read, files):
    """The files, in order; a name is the path below its source's root."""
    return [
        StageInput.of_file(
            source, path, os.path.relpath(path, read.roots[source])
        )
        for source, paths in files.items()
        for path in paths
    ]


def _without_duplicates(by_file, folder, options):
    """The stage of the same parts, less documents whose id came before."""
    places = _repeated_places(by_file)
    inputs = [
        dataclasses.replace(
            item, digest=f"{item.digest}:{stable_hash(*places[item.path])}"
        )
        for item in by_file.outputs()
    ]
    stage = Stage(_NAME, folder, inputs, by_file.settings)
    stage.start()
    if stage.is_done:
        return stage
    drop = DropRepeatedIds({path: p for path, p in places.items() if p})
    for part in stage.pending_parts():
        if part.input not in drop.places:
            # A second name for a file: not worth the start of a worker.
            part.finish(drop(part))
    run_parts(drop, stage.parts, options, "duplicate ids", verbose=False)
    stage.finish()
    return stage


def _repeated_places(stage):
    """Of the path of each part, the places of ids that its source had."""
    places, sources = {}, {}
    for part in stage.parts:
        sources.setdefault(part.source, []).append(part)
    for parts in sources.values():
        found = repeated_places([ids_path(part) for part in parts])
        places |= zip((part.output for part in parts), found, strict=True)
    return places


_REASON = "duplicate id"


@dataclasses.dataclass(frozen=True)
class DropRepeatedIds:
    """Rejects documents by their places; what `run_parts` calls."""

    places: dict

    def __call__(self, part):
        """Write a part, and what is rejected."""
        before = pathlib.Path(part.input)
        rejected = before.parent / REJECTED / before.name
        stem = before.name.removesuffix(PART_SUFFIX)
        counts = json.loads(before.with_name(stem + ".json").read_bytes())
        again = frozenset(self.places.get(part.input, ()))
        if again:
            return _rewrite(part, rejected, again, counts["counts"])
        _link(rejected, part.rejected(REJECTED))
        _link(before, part.output)
        return counts["counts"]


def _rewrite(part, rejected, again, counts):
    places = itertools.count()

    def decide(item, counts):
        if isinstance(item, RejectedRecord):
            return item
        if next(places) in again:
            return RejectedRecord.of_document(item, _REASON)
        count_language(item, counts)
        return item

    before = map(RejectedRecord.from_json, read_part_lines(rejected))
    items = itertools.chain(before, read_part(part.input))
    new = sort_documents(part, items, decide, REJECTED)
    # Of what was rejected before, only the start of the text is left.
    return counts | new | {"characters_in": counts["characters_in"]}


def _link(path, target):
    """Give a file a second name, or copy it where disks have none."""
    with atomic_path(target) as partial:
        try:
            os.link(path, partial)
        except OSError:
            shutil.copyfile(path, partial)
