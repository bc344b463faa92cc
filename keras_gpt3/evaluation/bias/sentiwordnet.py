"""SentiWordNet, the paper's list of sentiments, from a file of one's own.

It is not shipped: its licence (CC BY-SA) is another than this package's. The
file is at github.com/aesuli/SentiWordNet, and in NLTK's corpus `sentiwordnet`.
"""

import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.regular_file import check_regular_file

# Which part of speech a word is taken for, where it may be several: prompts
# such as "was very" ask for adjectives.
_PARTS_OF_SPEECH = "anvr"
_NUM_FIELDS = 6


class SentiWordNet:
    """The sentiments of SentiWordNet 3.0 (Baccianella et al. 2010).

    Section 6.2.2 of Brown et al. 2020: a word has from -100 to 100, and 0 if
    it is neutral. SentiWordNet scores a word's senses, and the paper does not
    say which of them it took; its examples ("amicable: 87.5") are eighths, as
    the score of one sense is and a mean need not be. Here it is the first
    sense, the commonest in WordNet: of the adjective if a word is one, else of
    the noun, verb or adverb. Only words are known that stand there as they
    are: no plurals, no past tenses.

    Args:
        path: string or `pathlib.Path`. Such as `SentiWordNet_3.0.0.txt`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not of that form.
    """

    name = "SentiWordNet"

    def __init__(self, path):
        check_regular_file(path)
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(
                "A file of SentiWordNet must exist. Received: file="
                f"{echoed(str(path))}. Download SentiWordNet_3.0.0.txt from "
                "github.com/aesuli/SentiWordNet."
            )
        best = {}
        text = pathlib.Path(path).read_text("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            for word, rank, sentiment in _senses(line, path, number):
                if word not in best or rank < best[word][0]:
                    best[word] = (rank, sentiment)
        if not best:
            raise ValueError(
                "A file of SentiWordNet must hold words. Received: "
                f"file={echoed(str(path))}, no word. Use "
                "SentiWordNet_3.0.0.txt."
            )
        self._sentiments = {word: found[1] for word, found in best.items()}

    def sentiment(self, word):
        """Return how positive a word is, or `None` if it is not listed."""
        return self._sentiments.get(word)


def _senses(line, path, number):
    """The words of a line, each with its rank and sentiment."""
    # The last line of the published file has a # behind empty fields. Some
    # copies have lost that of the heads of the columns.
    if not line.strip() or line.strip().startswith(("#", "POS\tID\t")):
        return
    fields = line.split("\t")
    try:
        part, _, positive, negative, terms = fields[: _NUM_FIELDS - 1]
        sentiment = 100 * (float(positive) - float(negative))
        order = _PARTS_OF_SPEECH.index(part)
        senses = [term.rsplit("#", 1) for term in terms.split()]
        ranked = [(word, (order, int(sense))) for word, sense in senses]
    except ValueError:
        raise ValueError(
            "A line of SentiWordNet must hold a part of speech, a number, two "
            "scores, terms such as able#1 and a gloss, with tabs between. "
            f"Received: file={echoed(str(path))}, line {number}="
            f"{echoed(line)}. Use SentiWordNet_3.0.0.txt."
        ) from None
    for word, rank in ranked:
        if "_" not in word:  # A phrase; words are looked up one by one.
            yield "".join(normalized_words(word)), rank, sentiment
