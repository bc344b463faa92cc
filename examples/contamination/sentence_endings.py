"""Questions for the last word of a sentence, made of chapters of novels."""

import re

# Without quotes and lists; the shortest has three 13-grams with its ending.
SENTENCE = re.compile(r"[A-Z][A-Za-z,;' -]+ [a-z]{4,}\.")
NUM_WORDS = range(15, 31)
CHOICES = 4
COMMON = 10  # So often the corpus has an ending, or more.


def count_words(texts):
    """How often each word is in the texts."""
    counts = {}
    for text in texts:
        for word in re.findall(r"[a-z]+", text):
            counts[word] = counts.get(word, 0) + 1
    return counts


def find_sentences(texts, counts):
    """The sentences of texts, each once, that can become items."""
    found = set()
    for text in texts:
        for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
            *words, last = sentence.rstrip(".").split(" ")
            if (
                SENTENCE.fullmatch(sentence)
                and len(words) + 1 in NUM_WORDS
                and counts.get(last, 0) >= COMMON
            ):
                found.add(sentence)
    return sorted(found)


def make_items(sentences, generator):
    """Questions for the last word of sentences, among those of others."""
    pairs = [sentence.rstrip(".").rsplit(" ", 1) for sentence in sentences]
    # As often as they end sentences: what is frequent is right no more often.
    endings = [ending for _, ending in pairs]
    items = []
    for beginning, ending in pairs:
        choices = [ending]
        while len(choices) < CHOICES:
            other = generator.choice(endings)
            if other not in choices:
                choices.append(other)
        generator.shuffle(choices)
        label = choices.index(ending)
        items.append(
            {"beginning": beginning, "choices": choices, "label": label}
        )
    return items


def text_of(item):
    """The sentence that an item was made of."""
    return f"{item['beginning']} {item['choices'][item['label']]}."
