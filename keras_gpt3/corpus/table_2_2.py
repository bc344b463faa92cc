"""The mixture of the paper's Table 2.2, for sources that have its names."""

import dataclasses
import functools
import pathlib

from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.training.config_file import read_config

_PATH = pathlib.Path(__file__).with_name("table_2_2.yaml")
_NOT_STATED = "Not stated."


@dataclasses.dataclass(frozen=True)
class _Table:
    sources: dict[str, SourceSection]


@functools.cache
def table_2_2():
    """Reads the table."""
    return read_config(_Table, _PATH).sources


def complete_sources(sources):
    """Gives sources what Table 2.2 says of those of their names."""
    complete = {
        name: _complete(source, table_2_2().get(name), sources)
        for name, source in sources.items()
    }
    lacking = [name for name in complete if complete[name].weight is None]
    if 0 < len(lacking) < len(complete):
        raise ValueError(
            "Either all sources must have a weight or none. Received: no "
            f"weight of {', '.join(lacking)}. Set sources.{lacking[0]}.weight."
        )
    return complete


def mixture_weights(sources):
    """Divides weights by their sum."""
    weights = {name: source.weight for name, source in sources.items()}
    if None in weights.values():
        return None
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _complete(source, known, sources):
    """A source with the fields of the table's, else the defaults."""
    known = known or SourceSection()
    chosen = {
        field.name: getattr(known, field.name)
        for field in dataclasses.fields(source)
        if getattr(source, field.name) is None
    }
    source = dataclasses.replace(source, **chosen)
    removed = source.remove_documents_of or []
    return dataclasses.replace(
        source,
        licence=source.licence or _NOT_STATED,
        quality_filter=bool(source.quality_filter),
        # The table's own may be of a source that is not built.
        remove_documents_of=[name for name in removed if name in sources],
    )
