"""The section `filter` of a corpus build's config."""

import dataclasses


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
