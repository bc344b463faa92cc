import pathlib

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.tokenization.graph_tables import NO_TOKEN
from keras_gpt3.tokenization.graph_tables import pair_table
from keras_gpt3.tokenization.graph_tables import symbol_ids
from keras_gpt3.tokenization.graph_tables import token_table
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from tests.tokenization.small_vocabulary import small_vocabulary


def lookup(table, keys):
    return table.lookup(tf.constant(keys, tf.int64)).numpy().tolist()


def test_pairs_give_the_symbol_of_their_rule(tmp_path):
    vocabulary, merges = small_vocabulary()
    rules = read_merge_rules(merges)
    symbols = [*BYTE_SYMBOLS, *(left + right for left, right in rules)]
    size = len(symbols)
    table = pair_table(rules, tmp_path)
    for rank, (left, right) in enumerate(rules):
        key = symbols.index(left) * size + symbols.index(right)
        assert lookup(table, key) == 256 + rank
    assert int(table.size()) == len(rules) + 1
    every_pair = np.arange(size * size)
    assert (np.array(lookup(table, every_pair)) < size).sum() == len(rules)


@pytest.mark.parametrize("key", [-1, 0, 256 * 256 - 1])
def test_no_rules_join_nothing(tmp_path, key):
    assert lookup(pair_table([], tmp_path), key) == 256


def test_tokens_are_base64_of_their_bytes(tmp_path):
    texts = {0: b"\n", 7: b"\t\r\x00", 300: bytes(range(256)), 5: b"~~>??"}
    table = token_table(texts, tmp_path)
    spelled = table.lookup(tf.constant([*texts], tf.int64))
    assert tf.io.decode_base64(spelled).numpy().tolist() == [*texts.values()]
    assert lookup(table, [1, -1, 301]) == [NO_TOKEN.encode()] * 3


def test_no_base64_is_the_sign_of_no_token():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_base64(NO_TOKEN)


def test_symbols_have_the_ids_of_their_tokens():
    vocabulary, merges = small_vocabulary()
    vocabulary = {token: 2 * id + 1 for token, id in vocabulary.items()}
    ids = symbol_ids(vocabulary, read_merge_rules(merges))
    assert ids.dtype == np.int32
    assert ids[ord(" ")] == vocabulary["Ġ"]
    assert ids[256] == vocabulary["he"]
    assert ids[-1] == vocabulary["Ã©"]


def test_two_tables_do_not_share_a_file(tmp_path):
    token_table({0: b"a"}, tmp_path)
    message = (
        r"A table must have a file of its own, .*\. Received: folder=.*, which "
        r"holds token_bytes\.txt\. Pass an empty folder\."
    )
    with pytest.raises(ValueError, match=message):
        token_table({1: b"b"}, tmp_path)


def test_tables_survive_an_export_without_their_files(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    module = tf.Module()
    module.pairs = pair_table([("a", "b")], files)
    module.tokens = token_table({3: b" the"}, files)
    module.get = tf.function(
        lambda pair, id: (
            module.pairs.lookup(pair),
            tf.io.decode_base64(module.tokens.lookup(id)),
        ),
        input_signature=[tf.TensorSpec([], tf.int64)] * 2,
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    for file in files.iterdir():
        file.unlink()
    assets = {p.name for p in pathlib.Path(tmp_path / "saved/assets").iterdir()}
    assert assets == {"merge_pairs.txt", "token_bytes.txt"}
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    pair, token = loaded.get(tf.constant(97 * 257 + 98, tf.int64), 3)
    assert (pair.numpy(), token.numpy()) == (256, b" the")
