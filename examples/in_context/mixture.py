"""What the models are trained on: documents of tasks, and text."""

import dataclasses
import pathlib
import random

import numpy as np
import tensorflow as tf
from task_families import COMPANIONS
from task_families import FAMILIES

import keras_gpt3
from keras_gpt3.data.documents import Documents
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS

# Tokens: 32 demonstrations and a question with its answer, 10 each, after the
# longest description, 30.
CONTEXT = 368
BATCH = 16  # Contexts.
SEED = 1

TEXT_SHARE = 0.1  # Of the contexts.
# Of a text each token counts, of a task its answers alone, a third or less.
TEXT_WEIGHT = 0.1
DESCRIBED_SHARE = 0.5  # Of the documents of tasks.

DATA = pathlib.Path(__file__).parents[1] / "data"
CORPORA = [
    DATA / f"{n}.jsonl.gz" for n in ("speeches", "novels", "encyclopedia")
]


def character_tokenizer():
    """Each byte is a token.

    So a letter looks the same within a word and between marks, and a digit in
    each number. As merged tokens "tap" and "t.a!p" would share nothing, and the
    models would spend their few parameters on learning how words are spelled.
    """
    symbols = enumerate([*BYTE_SYMBOLS, "<|endoftext|>"])
    vocabulary = {symbol: id for id, symbol in symbols}
    return keras_gpt3.GPT3Tokenizer(vocabulary, merges=[])


@dataclasses.dataclass(frozen=True)
class Document:
    """A context, a loss weight for each character, and what it is of."""

    text: str
    weights: list
    family: object = None  # `None` is text.
    rule: tuple = ()


def task_document(family, generator):
    """Demonstrations of one task, with or without its description."""
    rule = family.rule(generator, held_out=False)
    text = ""
    if generator.random() < DESCRIBED_SHARE:
        text = f"{family.description}\n"
    weights = [0.0] * len(text)
    while len(text) <= CONTEXT:
        record = family.record(rule, generator)
        text += "{question}{answer}\n".format(**record)
        # Questions are random: there is nothing to learn from them.
        weights += [0.0] * len(record["question"])
        weights += [1.0] * len(record["answer"]) + [0.0]
    size = CONTEXT + 1
    return Document(text[:size], weights[:size], family, rule)


class Texts:
    """Draws parts of the sample corpora."""

    def __init__(self, corpora=None):
        self._corpora = [list(Documents([path])) for path in corpora or CORPORA]

    def draw(self, generator):
        """A part of a corpus, from anywhere in a document to a later one."""
        documents = generator.choice(self._corpora)
        number = generator.randrange(len(documents))
        text = documents[number]
        text = text[generator.randrange(len(text)) :]
        while len(text) <= CONTEXT:
            number = (number + 1) % len(documents)
            text += "\n\n" + documents[number]
        text = text[: CONTEXT + 1]
        return Document(text, [TEXT_WEIGHT] * len(text))


def documents(texts):
    """Endless documents, the same each time: all sizes read the same."""
    generator = random.Random(SEED)
    families = (*FAMILIES, *COMPANIONS)
    shares = [family.share for family in families]
    while True:
        if generator.random() < TEXT_SHARE:
            yield texts.draw(generator)
        else:
            (family,) = generator.choices(families, shares)
            yield task_document(family, generator)


def training_data(tokenizer, texts, batch=BATCH):
    """Endless batches for `fit`."""

    def batches():
        source = documents(texts)
        mask = np.ones((batch, CONTEXT), "bool")
        while True:
            drawn = [next(source) for _ in range(batch)]
            encoded = tokenizer.encode_batch([one.text for one in drawn])
            # A character beyond ASCII is several tokens.
            ids = np.array([row[: CONTEXT + 1] for row in encoded], "int32")
            weights = np.array([one.weights for one in drawn], "float32")
            inputs = {"token_ids": ids[:, :-1], "padding_mask": mask}
            yield inputs, ids[:, 1:], weights[:, 1:]

    ids, mask, weights = (
        tf.TensorSpec((batch, CONTEXT), dtype)
        for dtype in ("int32", "bool", "float32")
    )
    signature = {"token_ids": ids, "padding_mask": mask}, ids, weights
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return data.prefetch(4)
