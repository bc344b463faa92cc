"""GPT-2's byte-pair encoding as operations of a graph. TensorFlow only."""

import re
import shutil
import tempfile
import weakref

import tensorflow as tf

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding
from keras_gpt3.tokenization.graph.pair_merging import merge_pairs
from keras_gpt3.tokenization.graph.tables import check_decode_arguments
from keras_gpt3.tokenization.graph.tables import ids_of_symbols
from keras_gpt3.tokenization.graph.tables import join_tokens
from keras_gpt3.tokenization.graph.tables import pair_table
from keras_gpt3.tokenization.graph.tables import symbol_ids
from keras_gpt3.tokenization.graph.tables import to_ragged
from keras_gpt3.tokenization.graph.tables import token_table
from keras_gpt3.tokenization.graph.word_splitting import split_words
from keras_gpt3.tokenization.tokenizer_inputs import INVALID_UTF8
from keras_gpt3.tokenization.vocabulary import are_in_order
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from keras_gpt3.tokenization.vocabulary import spell_tokens


class GraphBytePairEncoding(tf.Module):
    """Turns texts into token ids and back, inside a SavedModel.

    Gives the same ids as `BytePairEncoding`, which is faster (section 2.1: the
    encoding is GPT-2's), but needs no Python and no operation of another
    package, so that stock TensorFlow Serving runs it. Merges and tokens are
    lookup tables, which an export that tracks this object keeps as assets.
    """

    def __init__(
        self,
        vocabulary,
        merges,
        special_tokens=("<|endoftext|>",),
        split_special_tokens=False,
    ):
        super().__init__()
        encoding = BytePairEncoding(vocabulary, merges, special_tokens)
        rules = read_merge_rules(encoding.merges)
        self.vocabulary_size = encoding.vocabulary_size
        # No dict, which a module would wrap to track it.
        self._special_ids = tuple(
            (token, encoding.vocabulary[token])
            for token in encoding.special_tokens
        )
        self._splits_special_tokens = split_special_tokens
        self._symbol_ids = symbol_ids(encoding.vocabulary, rules)
        self._in_order = are_in_order(rules)
        # The files of the tables are copied only when a model is exported.
        folder = tempfile.mkdtemp(prefix="keras_gpt3_")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._pair_table = pair_table(rules, folder)
        tokens = spell_tokens(encoding.vocabulary, encoding.special_tokens)
        self.longest_token = max(map(len, tokens.values()))
        self._token_table = token_table(tokens, folder)
        self._encode = self._as_graph(
            self._encode_batch, tf.TensorSpec([None], tf.string)
        )
        self._decode = self._as_graph(
            self._decode_batch,
            tf.RaggedTensorSpec([None, None], tf.int64, ragged_rank=1),
        )
        self._to_ragged = self._as_graph(
            to_ragged,
            tf.TensorSpec([None, None], tf.int64),
            tf.TensorSpec([None], tf.int64),
        )

    def encode(self, texts):
        """Turn texts into token ids."""
        texts = tf.convert_to_tensor(texts)
        if texts.shape.rank != 1 or texts.dtype != tf.string:
            raise ValueError(
                "texts must be a string tensor of rank 1. Received: "
                f"texts.shape={texts.shape}, texts.dtype={texts.dtype.name}. "
                "Pass a batch of strings."
            )
        # Strings live on the host, and the tables with them.
        with one_line_errors(), tf.device("cpu"):
            return self._encode(texts)

    def decode(self, ids, lengths=None, errors=None):
        """Turn token ids into text."""
        is_ragged = isinstance(ids, tf.RaggedTensor)
        ids = ids if is_ragged else tf.convert_to_tensor(ids)
        check_decode_arguments(ids, lengths, errors)
        ids = tf.cast(ids, tf.int64)
        with one_line_errors(), tf.device("cpu"):
            if not is_ragged:
                if lengths is None:
                    lengths = tf.repeat(tf.shape(ids)[1], tf.shape(ids)[0])
                ids = self._to_ragged(ids, tf.cast(lengths, tf.int64))
            texts = self._decode(ids)
            if errors is None:
                return texts
            return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors)

    def is_special(self, ids):
        """Return which ids are those of special tokens."""
        is_special = tf.zeros_like(ids, tf.bool)
        for _, special_id in self._special_ids:
            is_special |= ids == special_id
        return is_special

    @staticmethod
    def _as_graph(function, *specs):
        """Traced once, and run as a graph also where it is called eagerly."""
        return tf.function(function, input_signature=specs, autograph=False)

    def _encode_batch(self, texts):
        """Texts to ids, special tokens among them."""
        texts = check_utf8(texts)
        if self._splits_special_tokens or not self._special_ids:
            return self._encode_ordinary(texts)
        return encode_around(
            texts, dict(self._special_ids), self._encode_ordinary
        )

    def _encode_ordinary(self, texts):
        """Texts to ids, with every distinct word merged once."""
        words, counts = split_words(texts)
        # Each byte as a character makes any word a string, and back.
        keys = tf.strings.unicode_encode(words, "UTF-8")
        keys, index = tf.unique(keys)
        symbols = merge_pairs(
            tf.strings.unicode_decode(keys, "UTF-8"),
            self._pair_table,
            len(self._symbol_ids),
            self.longest_token if self._in_order else None,
        )
        ids = ids_of_symbols(symbols.flat_values, self._symbol_ids)
        ids = tf.gather(symbols.with_flat_values(ids), index)
        return tf.RaggedTensor.from_row_lengths(
            ids, counts, validate=False
        ).merge_dims(1, 2)

    def _decode_batch(self, ids):
        """Ids to the bytes that they stand for."""
        return join_tokens(ids, self._token_table, self.vocabulary_size)


# No valid UTF-8 holds this byte.
_MARK = b"\xff"


def encode_around(texts, special_ids, encode):
    """Encode texts in which special tokens stand.

    As tiktoken does: the first special token from the left counts, and what
    lies between two of them is encoded as a text of its own. Of two that begin
    at one place the longer one counts, which tiktoken leaves open.
    """
    longest_first = sorted(special_ids, key=len, reverse=True)
    pieces = split_at(texts, longest_first)
    places = tf.ragged.range(pieces.row_lengths()).flat_values
    is_special = places % 2 == 1
    strings = pieces.flat_values
    ids = encode(tf.where(is_special, "", strings))
    which = tf.argmax(strings[:, tf.newaxis] == longest_first, axis=1)
    special = tf.gather([special_ids[t] for t in longest_first], which)
    special = tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(special, is_special),
        tf.cast(is_special, tf.int64),
        validate=False,
    )
    return pieces.with_flat_values(
        tf.concat([ids, special], axis=1)
    ).merge_dims(1, 2)


def split_at(texts, tokens):
    """Cut texts before and after each of some tokens."""
    pattern = "|".join(map(re.escape, tokens))
    marked = tf.strings.regex_replace(
        texts, f"({pattern})", _MARK + rb"\1" + _MARK
    )
    return tf.strings.split(marked, sep=_MARK)


def check_utf8(texts):
    """Make texts carry a check that they are valid UTF-8."""
    # Invalid bytes become U+FFFD; whatever is valid stays.
    repaired = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", "replace")
    invalid = tf.where(repaired != texts)[:, 0]
    before, after = INVALID_UTF8
    return assert_in_graph(
        texts,
        tf.size(invalid) == 0,
        f"{before}an invalid byte in the text at index=",
        # The -1 stands in where there is none.
        tf.pad(invalid, [[0, 1]], constant_values=-1)[0],
        after,
    )
