"""The words of texts as numbers: what classifier and MinHash both see."""

import numpy as np

from keras_gpt3.corpus.corpus_extra import import_extra
from keras_gpt3.integer_argument import check_integer

# Runs of letters and digits; those of one letter, too.
_WORD = r"\w+"


class HashedFeatures:
    """Counts lower-cased words in a fixed number of places, by their hash.

    Appendix A of Brown et al. 2020 takes "features from Spark's standard
    tokenizer and HashingTF" for its classifier, and "the same features" for
    MinHash. No vocabulary is learned, so any worker makes the same features.
    Deviation: Spark's tokenizer splits at white space alone; here punctuation
    splits words as well, so that "end" and "end." are the same word.
    """

    def __init__(self, num_features=2**18):
        check_integer("num_features", num_features, minimum=2)
        self._sparse = import_extra("scipy.sparse")
        text = import_extra("sklearn.feature_extraction.text")
        self.num_features = num_features
        self._vectorizer = text.HashingVectorizer(
            n_features=num_features,
            token_pattern=_WORD,
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        )

    def transform(self, texts):
        """Count the words of some texts."""
        csr_array = self._sparse.csr_array
        if not len(texts):
            # The vectorizer would look for the first one.
            return csr_array((0, self.num_features), dtype=np.float32)
        counts = csr_array(self._vectorizer.transform(texts))
        counts.sort_indices()
        return counts
