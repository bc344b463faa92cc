"""One source of documents, as a config describes it."""

import dataclasses
import re

from keras_gpt3.echoed_value import echoed

# A source's name is a folder's, beside those of a stage's own.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_RESERVED = ("buckets", "ngrams", "tokenizer")


@dataclasses.dataclass(frozen=True)
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
            near-duplicates of them, are taken out of this one. Defaults to
            `None`, none.

    Raises:
        ValueError: If the weight is not above 0.

    Example:

    ```python
    from keras_gpt3.corpus import SourceSection

    SourceSection(files=["books/*.txt"], licence="Public domain.")
    ```
    """

    files: list[str] = dataclasses.field(default_factory=list)
    weight: float | None = None
    licence: str | None = None
    quality_filter: bool | None = None
    remove_documents_of: list[str] | None = None

    def __post_init__(self):
        if self.weight is not None and not self.weight > 0:
            raise ValueError(
                "The weight of a source must be above 0. Received: weight="
                f"{self.weight}. Leave the source out to train without it."
            )


def check_sources(sources):
    """Raises unless sources can be built together."""
    if not sources:
        raise ValueError(
            "A corpus must have at least one source. Received: sources={}. "
            "Name one, with its files."
        )
    for name, source in sources.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(
                "The name of a source must be of letters, digits and _.-, and "
                f"none of {', '.join(_RESERVED)}. Received: {echoed(name)}. "
                "Choose another."
            )
        if not source.files:
            raise ValueError(
                f"A source must have files. Received: sources.{name}.files=[]. "
                "Name files, folders or patterns, or leave the source out."
            )
        for path in source.files:
            check_is_local(f"sources.{name}.files", path)
        for other in source.remove_documents_of or ():
            _check_removed(name, other, sources)


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


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def check_is_local(name, path):
    """Raises if a path is a URL."""
    if path is not None and _SCHEME.match(str(path)):
        raise ValueError(
            f"{name} must be a path that this machine and all workers have "
            f"mounted. Received: {name}={echoed(str(path))}. Mount it, or copy "
            "it to a shared disk."
        )
