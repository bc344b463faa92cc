"""The section `filter` of a corpus build's config."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class FilterSection:
    """The quality classifier (Appendix A, step 1).

    Args:
        classifier: string. The folder that `keras-gpt3 corpus train-filter`
            wrote. Defaults to `None`, which no source with `quality_filter`
            can have.
        alpha: float. The shape of the Pareto distribution: larger ones keep
            fewer documents of low score. Defaults to `9`.
        sources: list of strings. For `filter_stage`: the sources that are
            filtered. A `CorpusConfig` has it from the sources'
            `quality_filter`. Defaults to none.

    Raises:
        ValueError: If `alpha` is not above 0.

    Example:

    ```python
    from keras_gpt3.corpus.filter_section import FilterSection

    FilterSection(classifier="classifier", alpha=5.0)
    ```
    """

    classifier: str | None = None
    alpha: float = 9.0
    sources: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        if not self.alpha > 0:
            raise ValueError(
                "filter.alpha must be above 0. Received: filter.alpha="
                f"{self.alpha}. Leave it out for the paper's 9."
            )
