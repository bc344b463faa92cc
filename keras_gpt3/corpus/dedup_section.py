"""The section `dedup` of a corpus build's config."""

import dataclasses

from keras_gpt3.corpus.share_argument import check_share
from keras_gpt3.integer_argument import check_integers


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
