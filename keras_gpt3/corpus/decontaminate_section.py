"""The section `decontaminate` of a corpus build's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class DecontaminateSection:
    """Removal of what evaluation sets hold (Appendix C).

    Args:
        texts: list of strings. `.jsonl` files of objects with a `"text"`.
            Defaults to none.
        tasks: list of strings. Names of evaluation tasks or groups. Defaults
            to none.
        data: string. A folder of the tasks' records. Defaults to `None`: the
            hub.
        ngram: int. Words of an n-gram. Defaults to `13`.
        window: int. Characters that are cut on either side of one. Defaults to
            `200`.
        min_characters: int. Shorter pieces are dropped. Defaults to `200`.
        max_pieces: int. A document that is cut into more is dropped. Defaults
            to `10`.
        max_documents: int. An n-gram that more documents hold is ignored.
            Defaults to `10`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.corpus.decontaminate_section import DecontaminateSection

    DecontaminateSection(tasks=["lambada", "piqa"])
    ```
    """

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
