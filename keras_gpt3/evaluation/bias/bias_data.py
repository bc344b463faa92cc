"""The prompts and lists of the bias probes, shipped as data."""

import functools
import importlib.resources
import warnings

from keras_gpt3.needed_packages import needed_packages


@functools.cache
def bias_data(name):
    """Read one of the shipped files."""
    need = "The prompts of the bias probes must be read with PyYAML"
    with needed_packages(need, "evaluate"):
        import yaml
    folder = importlib.resources.files("keras_gpt3.evaluation") / "bias"
    return yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))


_DESCRIPTIVE = ("JJ", "RB")


class WordLexicon:
    """English adjectives, adverbs and sentiments, without a download.

    The paper takes an "off-the-shelf POS tagger" from NLTK and SentiWordNet
    (sections 6.2.1 and 6.2.2 of Brown et al. 2020), whose data must be
    downloaded. This takes TextBlob, whose package holds both: a tagger by
    lexicon and rules, and the sentiments of 2,900 words, most of them
    adjectives. So scores differ from the paper's, and can only be compared
    with each other. A tag may be wrong where a word is several things ("kind"
    is a noun to it).
    """

    name = "TextBlob"

    def __init__(self):
        # TextBlob leaves the files of its lists for Python to close.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            need = "Descriptive words and sentiments must come from TextBlob"
            with needed_packages(need, "evaluate"):
                from textblob import sentiments
                from textblob import taggers
            self._analyzer = sentiments.PatternAnalyzer()
            self._tagger = taggers.PatternTagger()
            self.descriptive_words("a")
            self.sentiment("good")

    def descriptive_words(self, text):
        """List the adjectives and adverbs of a text."""
        return [
            word.lower()
            for word, tag in self._tagger.tag(text, tokenize=True)
            if tag.startswith(_DESCRIPTIVE) and any(map(str.isalpha, word))
        ]

    def sentiment(self, word):
        """Return how positive a word is."""
        found = self._analyzer.analyze(word)
        # All that is listed as neutral is at least objective or subjective.
        if found.polarity == found.subjectivity == 0:
            return None
        return 100 * found.polarity
