"""Good text against raw crawl (Appendix A of Brown et al. 2020)."""

import dataclasses
import json
import pathlib

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.document import stable_uniform
from keras_gpt3.data.documents import document_batches
from keras_gpt3.needed_packages import import_extra

_CONFIG = "config.json"
_WEIGHTS = "weights.npy"
_FORMAT = "keras_gpt3 quality classifier 1"
# Fewer say nothing about a class, nor about how well it is recognized.
MIN_TEXTS = 20
_HELD_OUT_SHARE = 0.2
# What is held at a time: texts, and characters.
_BATCH = 1000, 2**22


@dataclasses.dataclass(frozen=True)
class QualityClassifier:
    """Logistic regression over the hashed words of a text.

    A text counts by the shares of its words (each row of counts has length 1),
    so that a long text is no better than a short one.
    """

    weights: np.ndarray
    bias: float
    held_out_auc: float | None = None
    num_texts: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def train(cls, positives, negatives, seed=0, num_features=2**18):
        """Fit a classifier, and measure it on a fifth of the texts.

        Both classes weigh the same, whatever their numbers of texts. A text
        that stands in a class twice is on one side only.
        """
        check_integer("seed", seed, minimum=0)
        features = HashedFeatures(num_features)
        good = _Texts("positives", positives, features, seed)
        bad = _Texts("negatives", negatives, features, seed)
        linear_model = import_extra("sklearn.linear_model")
        model = linear_model.SGDClassifier(
            loss="log_loss",
            alpha=1e-5,
            max_iter=100,
            tol=1e-4,
            class_weight="balanced",
            average=True,
            random_state=seed,
        )
        rows, labels = _stacked(good.rows(False), bad.rows(False))
        model.fit(rows, labels)
        classifier = cls(
            model.coef_[0].astype("float32"),
            float(model.intercept_[0]),
            num_texts={"positives": good.count, "negatives": bad.count},
        )
        rows, labels = _stacked(good.rows(True), bad.rows(True))
        metrics = import_extra("sklearn.metrics")
        auc = metrics.roc_auc_score(labels, classifier._scores(rows))
        return dataclasses.replace(classifier, held_out_auc=float(auc))

    def scores(self, texts):
        """Score texts."""
        features = HashedFeatures(len(self.weights))
        return self._scores(_normalized(features.transform(texts)))

    def _scores(self, rows):
        logits = rows @ self.weights.astype("float64") + self.bias
        # Not `1 / (1 + exp(-x))`, which overflows.
        return 0.5 * (1.0 + np.tanh(0.5 * logits))

    # === Files ===

    def save(self, folder):
        """Write two files, of JSON and of NumPy, that appear together."""
        config = {
            "format": _FORMAT,
            "num_features": len(self.weights),
            "bias": self.bias,
            "held_out_auc": self.held_out_auc,
            "num_texts": self.num_texts,
        }
        with atomic_folder(
            folder, _is_classifier, owned=(_CONFIG, _WEIGHTS)
        ) as new:
            np.save(new / _WEIGHTS, self.weights)
            (new / _CONFIG).write_text(json.dumps(config, indent=1), "utf-8")

    @classmethod
    def load(cls, folder):
        """Read what `save` wrote."""
        folder = pathlib.Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(
                "The classifier must be a folder that exists. Received: "
                f"classifier='{folder}'. Make one with keras-gpt3 corpus "
                "train-filter, or correct the path."
            )
        try:
            config = json.loads((folder / _CONFIG).read_bytes())
            if config["format"] != _FORMAT:
                raise ValueError(f"format is {echoed(config['format'])}")
            weights = np.load(folder / _WEIGHTS, allow_pickle=False)
            shape = (config["num_features"],)
            if weights.shape != shape or not np.isfinite(weights).all():
                raise ValueError(f"weights are not {shape[0]} finite numbers")
            return cls(
                weights,
                float(config["bias"]),
                config["held_out_auc"],
                config["num_texts"],
            )
        except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "The classifier must be a folder that keras-gpt3 corpus "
                f"train-filter wrote. Received: classifier='{folder}' "
                f"({error}). Correct the path, or train it again."
            ) from error


class _Texts:
    """The features of a class, and which of its texts are held out."""

    def __init__(self, name, texts, features, seed):
        parts, is_held_out = [], []
        for batch in document_batches(_different(texts), *_BATCH):
            parts.append(_normalized(features.transform(batch)))
            is_held_out += [
                stable_uniform(seed, "held out", text) < _HELD_OUT_SHARE
                for text in batch
            ]
        self.count = len(is_held_out)
        if self.count < MIN_TEXTS:
            raise ValueError(
                f"A class must have at least {MIN_TEXTS} different texts. "
                f"Received: {name} of {self.count}. Pass more of them."
            )
        self._rows = import_extra("scipy.sparse").vstack(parts, format="csr")
        self._is_held_out = np.array(is_held_out)
        # However the draws fell, there is something on either side.
        self._is_held_out[:2] = True, False

    def rows(self, is_held_out):
        return self._rows[self._is_held_out == is_held_out]


def _different(texts):
    """Yield each text once, and holds none of them."""
    seen = set()
    for text in texts:
        digest = stable_hash(text)
        if digest not in seen:
            seen.add(digest)
            yield text


def _stacked(good, bad):
    rows = import_extra("scipy.sparse").vstack([good, bad], format="csr")
    return rows, np.repeat([1, 0], [good.shape[0], bad.shape[0]])


def _normalized(counts):
    """Rows of length 1; that of a text without words stays 0."""
    preprocessing = import_extra("sklearn.preprocessing")
    return preprocessing.normalize(counts, copy=False)


def _is_classifier(folder):
    """Whether a folder is a classifier's, which may be replaced."""
    try:
        config = json.loads((pathlib.Path(folder) / _CONFIG).read_bytes())
        return config["format"] == _FORMAT
    except (OSError, KeyError, TypeError, ValueError):
        return False


# Runs of letters and digits, also of one letter.
_WORD = r"\w+"


class HashedFeatures:
    """Counts lowercased words in a fixed number of places, by their hash.

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
