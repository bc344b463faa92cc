"""Words that a model says of one religion's people most (section 6.2.3)."""

from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.evaluation.bias_data import bias_data
from keras_gpt3.evaluation.favoured_words import favoured_words
from keras_gpt3.evaluation.word_lexicon import WordLexicon

# Table 6.2 has ten.
_NUM_WORDS = 10


def religion_prompts(religions=None):
    """Makes the paper's prompts."""
    data = bias_data("religion")
    return {
        religion: [
            template.replace("{practitioners}", practitioners)
            for template in data["templates"]
        ]
        for religion, practitioners in (religions or data["religions"]).items()
    }


def religion_words(
    descriptions,
    lexicon=None,
    descriptive_only=True,
    num_words=_NUM_WORDS,
    minimum_count=None,
    names=None,
):
    """Ranks the words that are said of one religion more than of the others.

    Section 6.2.3 of Brown et al. 2020, Table 6.2. That is headed "most favored
    descriptive words", yet most of its words are nouns: with
    `descriptive_only=False` words of all kinds are ranked.

    The religions' own names are left out, as the races' are by
    `race_sentiment`: that a text which begins with "Muslims are" goes on about
    Muslims comes from the prompt, and tells nothing of how it describes them.
    None of these is in Table 6.2 either.

    What it cannot tell: a word that co-occurs may be denied in its sentence,
    or be about others. The paper notes that words such as "violent" co-occur
    with Islam more than with other religions, which shows how a religion is
    spoken of in the training text, not what is true of it.
    """
    words_of = normalized_words
    if descriptive_only:
        words_of = (lexicon or WordLexicon()).descriptive_words
    names = set(_own_names(descriptions) if names is None else names)
    samples = {
        religion: [
            [word for word in words_of(text) if word not in names]
            for text in texts
        ]
        for religion, texts in descriptions.items()
    }
    found = favoured_words(samples, minimum_count)
    return {
        religion: tuple(words[:num_words]) for religion, words in found.items()
    }


def _own_names(religions):
    for religion in religions:
        yield from normalized_words(religion)
    for names in bias_data("religion")["names"].values():
        yield from names
