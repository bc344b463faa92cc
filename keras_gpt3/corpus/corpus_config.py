"""The config of a corpus build: one section a stage, and one a source."""

import dataclasses
import re
import typing

import pydantic

from keras_gpt3.argument_checks import echoed
from keras_gpt3.config_model import Bool
from keras_gpt3.config_model import Float
from keras_gpt3.config_model import Int
from keras_gpt3.config_model import NonNegativeInt
from keras_gpt3.config_model import PositiveFloat
from keras_gpt3.config_model import PositiveInt
from keras_gpt3.config_model import Section
from keras_gpt3.config_model import Share
from keras_gpt3.config_model import Str
from keras_gpt3.config_model import config_section

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# A source's name is a folder's, beside those of a stage's own.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_RESERVED = ("buckets", "ngrams", "tokenizer")


def _check_is_local(path):
    if _SCHEME.match(path):
        raise ValueError(
            "must be a path that this machine and all workers have mounted",
            "Mount it, or copy it to a shared disk.",
        )
    return path


def _check_name(name):
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise ValueError(
            "must be a name of letters, digits and _.-, and none of "
            f"{', '.join(_RESERVED)}",
            "Choose another.",
        )
    return name


LocalPath = typing.Annotated[Str, pydantic.AfterValidator(_check_is_local)]
_SourceName = typing.Annotated[Str, pydantic.AfterValidator(_check_name)]


@config_section
class SourceSection:
    """One set of documents of the mixture.

    What is `None` is as in Table 2.2 for a source of one of its names, and
    else as said here.

    Args:
        files: list of strings. Paths of files or folders, or patterns such as
            `"crawl/*.warc.gz"`. Each file becomes a part, which is one
            worker's. A file's name in ids is its path below the innermost
            folder of all of them, whatever files there are; another entry
            outside of that folder changes all ids. Defaults to none.
        weight: float. Its weight in the mixture, for training. Defaults to
            `None`; either all sources have one or none, and then their tokens
            decide.
        licence: string. What may be done with it, kept with its shards.
            Defaults to `None`, `"Not stated."`.
        quality_filter: bool. Whether documents have to pass the classifier.
            Defaults to `None`, `False`.
        remove_documents_of: list of strings. Sources whose documents, and
            near-duplicates of them, are removed from this one. Defaults to
            `None`, none.

    Raises:
        ValueError: If the weight is not above 0.

    Example:

    ```python
    from keras_gpt3.corpus import SourceSection

    SourceSection(files=["books/*.txt"], licence="Public domain.")
    ```
    """

    files: list[LocalPath] = dataclasses.field(default_factory=list)
    weight: PositiveFloat | None = None
    licence: Str | None = None
    quality_filter: Bool | None = None
    remove_documents_of: list[Str] | None = None


@config_section
class ReadSection:
    """Which documents are read."""

    languages: list[Str] | None = None
    min_language_score: Share = 0.3
    min_characters: NonNegativeInt = 1
    max_line_bytes: PositiveInt = 2**26


@config_section
class FilterSection:
    """The quality classifier (Appendix A, step 1)."""

    classifier: LocalPath | None = None
    alpha: PositiveFloat = 9.0


@config_section
class DedupSection:
    """Removal of duplicates and near-duplicates (Appendix A, step 2)."""

    num_hashes: PositiveInt = 10
    num_bands: PositiveInt = 5
    threshold: Share = 0.8
    num_features: typing.Annotated[Int, pydantic.Field(ge=2)] = 2**18
    max_band_documents: typing.Annotated[Int, pydantic.Field(ge=2)] = 50
    index: LocalPath | None = None

    @pydantic.model_validator(mode="after")
    def _check_bands(self):
        if self.num_hashes % self.num_bands:
            raise ValueError(
                "dedup.num_bands must divide dedup.num_hashes. Received: "
                f"num_bands={self.num_bands}, num_hashes={self.num_hashes}. "
                "Choose for example 5 bands of 10 hashes."
            )
        return self


@config_section
class DecontaminateSection:
    """Removal of what evaluation sets hold (Appendix C)."""

    texts: list[LocalPath] = dataclasses.field(default_factory=list)
    tasks: list[Str] = dataclasses.field(default_factory=list)
    # Beside the test of a task its development set, where it has one.
    splits: list[typing.Literal["test", "dev"]] = dataclasses.field(
        default_factory=lambda: ["test", "dev"]
    )
    data: LocalPath | None = None
    ngram: PositiveInt = 13
    window: NonNegativeInt = 200
    min_characters: PositiveInt = 200
    max_pieces: PositiveInt = 10
    max_documents: PositiveInt = 10


@config_section
class ShardSection:
    """How documents become tokens on disk."""

    preset: Str = "gpt3_small_en"
    tokens_per_shard: PositiveInt = 2**27
    validation_fraction: typing.Annotated[Float, pydantic.Field(ge=0, lt=1)] = (
        0.0
    )
    tfrecord: Bool = False


@config_section
class CorpusConfig:
    """A corpus build, whole: what `corpus.yaml` says.

    What limits it. An input file is a part, and a part is one worker's: one
    large file keeps one processor busy, so split it. Beam's local runner holds
    what it shuffles in the memory of one process: in stage dedup at least 320
    bytes a document (64 a band), once for each source that it is compared
    with, which is 3 GB for ten million documents. Each shard is gathered from
    all parts of its source, and has to fit into a worker's memory: 10,000
    files and 1,000 shards are ten million openings of files, so choose fewer
    and larger ones. The workers of another runner must all have mounted the
    folders, under the same paths.

    Args:
        folder: string. Where all stages write to: a path of this machine, and
            of all workers.
        sources: dict of name to `SourceSection`. The mixture.
        seed: int. Of all that is random. Defaults to `0`.
        read: `ReadSection`. How files are read. Defaults to its defaults.
        filter: `FilterSection`. What quality is. Defaults to its defaults.
        dedup: `DedupSection`. What is a duplicate. Defaults to its defaults.
        decontaminate: `DecontaminateSection`. The tasks whose texts are
            removed. Defaults to its defaults.
        shard: `ShardSection`. How shards are written. Defaults to its defaults.

    Raises:
        ValueError: If there is no source, or one has no files, a name that no
            folder can have, or removes the documents of an unknown one; if a
            path is a URL.

    Example:

    ```python
    from keras_gpt3.corpus import CorpusConfig
    from keras_gpt3.corpus import SourceSection

    books = SourceSection(files=["books/*.txt"], licence="Public domain.")
    config = CorpusConfig(folder="corpus", sources={"books": books})
    ```
    """

    folder: LocalPath
    sources: dict[_SourceName, Section[SourceSection]]
    seed: NonNegativeInt = 0
    read: Section[ReadSection] = ReadSection()
    filter: Section[FilterSection] = FilterSection()
    dedup: Section[DedupSection] = DedupSection()
    decontaminate: Section[DecontaminateSection] = DecontaminateSection()
    shard: Section[ShardSection] = ShardSection()

    @pydantic.model_validator(mode="after")
    def _check_sources(self):
        if not self.sources:
            raise ValueError(
                "A corpus must have at least one source. Received: sources={}. "
                "Name one, with its files."
            )
        for name, source in self.sources.items():
            if not source.files:
                raise ValueError(
                    "A source must have files. Received: sources."
                    f"{name}.files=[]. Name files, folders or patterns, or "
                    "leave the source out."
                )
            for other in source.remove_documents_of or ():
                _check_removed(name, other, self.sources)
        return self


def _check_removed(name, other, sources):
    if other not in sources or other == name:
        raise ValueError(
            "remove_documents_of must name other sources. Received: "
            f"sources.{name}.remove_documents_of holds {echoed(other)}. Use "
            "among "
            f"{', '.join(key for key in sources if key != name) or 'none'}."
        )
    if name in (sources[other].remove_documents_of or ()):
        raise ValueError(
            "Of two sources, one at most may lose the documents of the other. "
            f"Received: remove_documents_of of both {name} and {other}. Take "
            "out one of them."
        )
