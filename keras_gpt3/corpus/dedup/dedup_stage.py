"""Stage 3: of equal and nearly equal documents, one is kept."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np

from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.dedup.connected_components import connected_components
from keras_gpt3.corpus.dedup.dedup_plan import DROPS_FOLDER
from keras_gpt3.corpus.dedup.dedup_plan import SIGNATURES_FOLDER
from keras_gpt3.corpus.dedup.dedup_plan import DropDuplicates
from keras_gpt3.corpus.dedup.dedup_plan import PlannedPart
from keras_gpt3.corpus.dedup.dedup_plan import SignatureIndex
from keras_gpt3.corpus.dedup.duplicate_pairs import DuplicatePairs
from keras_gpt3.corpus.dedup.select_duplicates import SelectDuplicates
from keras_gpt3.corpus.dedup.signatures import SIGNATURES
from keras_gpt3.corpus.dedup.signatures import SignPart
from keras_gpt3.corpus.dedup.signatures import signatures_path
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.beam_options import limit_workers
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_parts
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_stage
from keras_gpt3.corpus.pipeline.part_counts import merge_counts
from keras_gpt3.corpus.pipeline.stage import Stage

# What is only needed until the stage is done.
_WORK_FOLDER = ".duplicates"
# Of entries: about 20 MB of band keys, or as many links.
_ENTRIES_PER_BLOCK = 2**16


def dedup_stage(
    settings,
    inputs,
    output,
    options=None,
    verbose="auto",
    overwrite=False,
    remove_documents_of=None,
):
    """Drop documents that another one of their source equals, or nearly so.

    Appendix A of Brown et al. 2020: MinHash LSH with 10 hashes over the
    classifier's features, inside each data set, and documents of one data set
    taken out of another. Equal texts go first. Documents whose sets of words
    have a Jaccard similarity of `threshold` are linked, exactly computed where
    MinHash finds them alike; of what is linked, over any number of links, one
    document is kept, chosen by a hash of its id. The paper gives no threshold:
    0.8 is reached where one word in nine is changed, `(1 - 1/9) / (1 + 1/9)`.

    Each document dropped stands in `OUTPUT/SOURCE/dropped`, with the id of the
    one that it `matched`, their similarity, and what was `kept` of the cluster.
    """
    options = options or beam_options(workers=1)
    signing = {
        "num_hashes": settings.num_hashes,
        "num_features": settings.num_features,
    }
    index = settings.index and SignatureIndex.open(settings.index, signing)
    removed = remove_documents_of or {}
    stage = _stage(settings, removed, inputs, output, index)
    signed = Stage(
        "sign",
        stage.folder / SIGNATURES_FOLDER,
        inputs,
        signing,
        others=SIGNATURES,
    )
    stage.start(overwrite)
    if stage.is_done and not _is_an_index(stage, signed):
        stage.reopen()
    if not stage.is_done:
        run_stage(signed, SignPart(**signing), options, verbose, True)
        work = _work_folder(stage)
        parts = _planned(signed, removed, index)
        found = _find(parts, work, settings, options)
        drop = DropDuplicates(_keep_drops(stage, work))
        run_parts(drop, stage.parts, options, "dedup", verbose)
        stage.finish(found)
    # A kill may have come before it.
    shutil.rmtree(stage.folder / _WORK_FOLDER, ignore_errors=True)
    return stage


def _stage(settings, removed, inputs, output, index):
    known = dataclasses.asdict(settings) | {"remove_documents_of": removed}
    # Where it stands is not what it holds.
    known["index"] = index and index.digest
    # Whether a document is removed depends on all others.
    everything = " ".join(sorted(item.digest for item in inputs))
    return Stage("dedup", output, inputs, known, everything)


def _is_an_index(stage, signed):
    """Whether what later builds are compared with is still there."""
    drops = (_drops_path(stage, part) for part in stage.parts)
    return signed.is_done and all(path.is_file() for path in drops)


def _drops_path(stage, part):
    return stage.folder / DROPS_FOLDER / part.source / f"{part.name}.json"


def _work_folder(stage):
    """Where the search stands; that of other inputs is of no use any more."""
    work = stage.folder / _WORK_FOLDER / stage.digest
    for path in work.parent.glob("*"):
        if path != work:
            shutil.rmtree(path)
    return work


def _planned(signed, removed, index):
    """Each part, compared with its source and with those it is taken out of."""
    others = {}
    for target, sources in removed.items():
        for source in sources:
            others.setdefault(source, []).append(target)
    parts = [
        PlannedPart(
            signatures_path(part),
            part.source,
            (part.source, *sorted(others.get(part.source, ()))),
        )
        for part in signed.parts
    ]
    if index is not None:
        sources = {part.source for part in signed.parts}
        parts += index.planned_parts(tuple(sorted(sources)))
    return tuple(parts)


def _find(parts, work, settings, options):
    """Select what is removed, unless an earlier run did; what it found.

    What a killed run has left in the folder is the same, as far as it came.
    """
    done = work / "done.json"
    if done.exists():
        return json.loads(done.read_bytes())
    pairs = _find_pairs(parts, work, settings, options)
    num_blocks = 1 + _num_links(pairs) // _ENTRIES_PER_BLOCK
    options = limit_workers(options, num_blocks)
    components = connected_components(
        pairs, work / "components", num_blocks, options
    )
    sizes = SelectDuplicates(parts, str(work), num_blocks).run(
        pairs, components, options
    )
    bands = [json.loads(p.read_bytes()) for p in sorted(work.glob("bands-*"))]
    found = {
        "bands": merge_counts(bands),
        "histograms": {"cluster_size": sizes},
    }
    write_json(done, found)
    return found


def _find_pairs(parts, work, settings, options):
    num_entries = sum(part.num_entries() for part in parts)
    num_blocks = 1 + num_entries // _ENTRIES_PER_BLOCK
    pairs = DuplicatePairs(parts, str(work), num_blocks, settings)
    return pairs.find(limit_workers(options, num_blocks))


def _num_links(paths):
    return sum(len(np.load(path)["similarities"]) for path in paths)


def _keep_drops(stage, work):
    """Put the duplicates of each part where an index looks for them."""
    decided = SelectDuplicates((), str(work), 1)
    kept = {}
    for number, part in enumerate(stage.parts):
        path = pathlib.Path(decided.drops_path(number))
        drops = json.loads(path.read_bytes()) if path.exists() else []
        target = _drops_path(stage, part)
        write_json(target, drops)
        kept[part.input] = str(target)
    return kept
