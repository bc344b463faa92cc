"""Everything that a corpus build is told, as one dataclass."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_integers
from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.corpus.source_section import check_is_local
from keras_gpt3.corpus.source_section import check_sources


@dataclasses.dataclass(frozen=True)
class ReadSection:
    """Which documents are read."""

    languages: list[str] | None = None
    min_language_score: float = 0.3
    min_characters: int = 1
    max_line_bytes: int = 2**26

    def __post_init__(self):
        check_share("read.min_language_score", self.min_language_score)
        check_integers(self, "read", min_characters=0, max_line_bytes=1)


@dataclasses.dataclass(frozen=True)
class FilterSection:
    """The quality classifier (Appendix A, step 1)."""

    classifier: str | None = None
    alpha: float = 9.0
    sources: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        if not self.alpha > 0:
            raise ValueError(
                "filter.alpha must be above 0. Received: filter.alpha="
                f"{self.alpha}. Leave it out for the paper's 9."
            )


@dataclasses.dataclass(frozen=True)
class DedupSection:
    """Removal of duplicates and near-duplicates (Appendix A, step 2)."""

    num_hashes: int = 10
    num_bands: int = 5
    threshold: float = 0.8
    num_features: int = 2**18
    max_band_documents: int = 50
    remove_documents_of: dict[str, list[str]] = dataclasses.field(
        default_factory=dict
    )
    index: str | None = None

    def __post_init__(self):
        check_integers(
            self,
            "dedup",
            num_hashes=1,
            num_bands=1,
            num_features=2,
            max_band_documents=2,
        )
        check_share("dedup.threshold", self.threshold)
        if self.num_hashes % self.num_bands:
            raise ValueError(
                "dedup.num_bands must divide dedup.num_hashes. Received: "
                f"num_bands={self.num_bands}, num_hashes={self.num_hashes}. "
                "Choose for example 5 bands of 10 hashes."
            )


@dataclasses.dataclass(frozen=True)
class DecontaminateSection:
    """Removal of what evaluation sets hold (Appendix C)."""

    texts: list[str] = dataclasses.field(default_factory=list)
    tasks: list[str] = dataclasses.field(default_factory=list)
    data: str | None = None
    ngram: int = 13
    window: int = 200
    min_characters: int = 200
    max_pieces: int = 10
    max_documents: int = 10

    def __post_init__(self):
        check_integers(
            self,
            "decontaminate",
            ngram=1,
            window=0,
            min_characters=1,
            max_pieces=1,
            max_documents=1,
        )


@dataclasses.dataclass(frozen=True)
class ShardSection:
    """How documents become tokens on disk."""

    preset: str = "gpt3_small_en"
    tokens_per_shard: int = 2**27
    validation_fraction: float = 0.0
    tfrecord: bool = False

    def __post_init__(self):
        check_integers(self, "shard", tokens_per_shard=1)
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                "shard.validation_fraction must be at least 0 and below 1. "
                "Received: shard.validation_fraction="
                f"{self.validation_fraction}. Use 0.01 to hold out one "
                "document in a hundred."
            )


@dataclasses.dataclass(frozen=True)
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
        sources: dict of name to `SourceSection`.
        seed: int. Of all that is random. Defaults to `0`.
        read: `ReadSection`.
        filter: `FilterSection`.
        dedup: `DedupSection`.
        decontaminate: `DecontaminateSection`.
        shard: `ShardSection`.

    Raises:
        ValueError: If there is no source, or one has no files, a name that no
            folder can have, or removes the documents of an unknown one; if a
            path is a URL, or a section says what sources say.

    Example:

    ```python
    from keras_gpt3.corpus import CorpusConfig
    from keras_gpt3.corpus import SourceSection

    books = SourceSection(files=["books/*.txt"], licence="Public domain.")
    config = CorpusConfig(folder="corpus", sources={"books": books})
    ```
    """

    folder: str
    sources: dict[str, SourceSection]
    seed: int = 0
    read: ReadSection = dataclasses.field(default_factory=ReadSection)
    filter: FilterSection = dataclasses.field(default_factory=FilterSection)
    dedup: DedupSection = dataclasses.field(default_factory=DedupSection)
    decontaminate: DecontaminateSection = dataclasses.field(
        default_factory=DecontaminateSection
    )
    shard: ShardSection = dataclasses.field(default_factory=ShardSection)

    def __post_init__(self):
        check_integer("seed", self.seed, minimum=0)
        check_sources(self.sources)
        _check_are_local(self)
        _check_is_left_to_sources(
            "filter.sources", self.filter.sources, "quality_filter"
        )
        _check_is_left_to_sources(
            "dedup.remove_documents_of",
            self.dedup.remove_documents_of,
            "remove_documents_of",
        )


def _check_are_local(config):
    check_is_local("folder", config.folder)
    check_is_local("filter.classifier", config.filter.classifier)
    check_is_local("dedup.index", config.dedup.index)
    check_is_local("decontaminate.data", config.decontaminate.data)
    for path in config.decontaminate.texts:
        check_is_local("decontaminate.texts", path)


def _check_is_left_to_sources(name, value, field):
    if value:
        raise ValueError(
            f"{name} must be left to the sources of a build. Received: {name}="
            f"{value}. Set sources.NAME.{field} instead."
        )


def check_share(name, value):
    """Raises unless a number is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(
            f"{name} must be from 0 to 1. Received: {name}={value}. Leave it "
            "out for the default."
        )
