"""The first stage: from raw files to parts of documents."""

import dataclasses
import os
import pathlib

from keras_gpt3.corpus.beam_options import beam_options
from keras_gpt3.corpus.drop_repeated_ids import DropRepeatedIds
from keras_gpt3.corpus.input_files import common_folder
from keras_gpt3.corpus.input_files import input_files
from keras_gpt3.corpus.read_file_part import IDS
from keras_gpt3.corpus.read_file_part import ReadFilePart
from keras_gpt3.corpus.read_file_part import ids_path
from keras_gpt3.corpus.repeated_ids import repeated_places
from keras_gpt3.corpus.run_parts import run_parts
from keras_gpt3.corpus.run_parts import run_stage
from keras_gpt3.corpus.stable_hash import stable_hash
from keras_gpt3.corpus.stage import Stage
from keras_gpt3.corpus.stage_input import StageInput

_NAME = "read"
# Each file by itself, before ids are compared. It stays: with one file more,
# only that one is read, and those that come behind it, whose parts have other
# numbers then.
FILES_FOLDER = ".files"


def read_stage(
    files,
    folder,
    languages=None,
    min_language_score=0.3,
    min_characters=1,
    max_line_bytes=2**26,
    options=None,
    progress="auto",
    overwrite=False,
):
    """Reads files into parts: one part a file, documents repaired and chosen.

    What is malformed, in another language, too short or too long, or has an
    id that an earlier document of its source has, goes to `rejected` beside
    the parts, with the reason.
    """
    roots = {source: common_folder(paths) for source, paths in files.items()}
    files = {source: input_files(paths) for source, paths in files.items()}
    read = ReadFilePart(
        roots,
        None if languages is None else sorted(languages),
        min_language_score,
        min_characters,
        max_line_bytes,
    )
    settings = dataclasses.asdict(read)
    del settings["roots"]
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
    run_stage(by_file, read, options, progress)
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
    run_parts(drop, stage.parts, options, "duplicate ids", progress=False)
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
