"""Everything that a corpus build is told, as one dataclass."""

import dataclasses

from keras_gpt3.corpus.decontaminate_section import DecontaminateSection
from keras_gpt3.corpus.dedup_section import DedupSection
from keras_gpt3.corpus.filter_section import FilterSection
from keras_gpt3.corpus.local_path import check_is_local
from keras_gpt3.corpus.read_section import ReadSection
from keras_gpt3.corpus.shard_section import ShardSection
from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.corpus.source_section import check_sources
from keras_gpt3.integer_argument import check_integer


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
