"""The section `decontaminate` of a corpus build's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


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
