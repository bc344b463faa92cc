import pathlib

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.tokenization.graph.tables import NO_TOKEN
from keras_gpt3.tokenization.graph.tables import check_decode_arguments
from keras_gpt3.tokenization.graph.tables import join_tokens
from keras_gpt3.tokenization.graph.tables import pair_table
from keras_gpt3.tokenization.graph.tables import symbol_ids
from keras_gpt3.tokenization.graph.tables import to_ragged
from keras_gpt3.tokenization.graph.tables import token_table
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from tests.tokenization.small_vocabulary import small_vocabulary

# === Graph tables ===


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


# === Graph decoding ===


BYTES = {0: b"a", 2: b"\xc3", 3: b"\xa9\n", 5: b"\x00 "}
CUT = tf.function(
    to_ragged,
    input_signature=[
        tf.TensorSpec([None, None], tf.int64),
        tf.TensorSpec([None], tf.int64),
    ],
)


@pytest.fixture(scope="module")
def join(tmp_path_factory):
    table = token_table(BYTES, tmp_path_factory.mktemp("files"))
    return tf.function(
        lambda ids: join_tokens(ids, table, vocabulary_size=6),
        input_signature=[
            tf.RaggedTensorSpec([None, None], tf.int64, ragged_rank=1)
        ],
    )


@pytest.mark.parametrize(
    "rows", [[], [[]], [[0, 2, 3, 5], [], [2], [5, 5, 0], []]]
)
def test_joins_the_bytes_of_each_row(join, rows):
    ids = tf.ragged.constant(rows, tf.int64, ragged_rank=1)
    assert join(ids).numpy().tolist() == [
        b"".join(BYTES[id] for id in row) for row in rows
    ]


@pytest.mark.parametrize(
    ("rows", "id"), [([[0, 6], [-1]], 6), ([[0], [-1]], -1), ([[2, 4]], 4)]
)
def test_the_first_unknown_id_is_named(join, rows, id):
    message = (
        r"Token ids must be in the vocabulary, from 0 to 5\. Received: "
        rf"id={id}\. Use the tokenizer that made the ids\."
    )
    with pytest.raises(ValueError, match=message), one_line_errors():
        join(tf.ragged.constant(rows, tf.int64))


@pytest.mark.parametrize("lengths", [[0, 0], [3, 3], [0, 2], [1, 0]], ids=str)
def test_rows_are_cut_to_their_lengths(lengths):
    rows = [[1, 0, 2], [0, 3, 0]]
    cut = CUT(tf.constant(rows, tf.int64), tf.constant(lengths, tf.int64))
    assert cut.to_list() == [
        row[:length] for row, length in zip(rows, lengths, strict=True)
    ]


def test_no_rows_at_all():
    ids = tf.zeros([0, 3], tf.int64)
    assert CUT(ids, tf.zeros([0], tf.int64)).to_list() == []


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            [1, 4, 5],
            r"Lengths must be from 0 to the width of ids\. Received: "
            r"length=4\. Count the ids of each row\.",
        ),
        ([-1, 3, 4], r"Received: length=-1\."),
        (
            [1, 2],
            r"lengths must have one entry for each row of ids\. Received: "
            r"2 of them\. Count the ids of each row\.",
        ),
        ([1, 2, 3, 3], r"Received: 4 of them\."),
    ],
)
def test_wrong_lengths_raise_one_line(lengths, message):
    ids = tf.zeros([3, 3], tf.int64)
    with pytest.raises(ValueError, match=message), one_line_errors():
        CUT(ids, tf.constant(lengths, tf.int64))


@pytest.mark.parametrize(
    ("ids", "lengths", "errors", "message"),
    [
        (
            tf.constant([1, 2]),
            None,
            None,
            r"ids must be an integer tensor of rank 2\. Received: "
            r"ids\.shape=\(2,\), ids\.dtype=int32\. Pass a batch of token ids",
        ),
        (
            tf.constant([[1.0]]),
            None,
            None,
            r"Received: ids\.shape=\(1, 1\), ids\.dtype=float32\.",
        ),
        (
            tf.ragged.constant([[5]]),
            [1],
            None,
            r"Ragged ids have lengths of their own\. Received: "
            r"lengths=\[1\]\. Leave lengths out",
        ),
        (
            tf.constant([[5]]),
            [1],
            "strict",
            r"errors must be None, 'replace' or 'ignore'\. Received: "
            r"errors='strict'\. Use None to keep",
        ),
    ],
)
def test_arguments_that_do_not_fit_raise(ids, lengths, errors, message):
    with pytest.raises(ValueError, match=message):
        check_decode_arguments(ids, lengths, errors)


@pytest.mark.parametrize("errors", [None, "replace", "ignore"])
def test_arguments_that_fit_pass(errors):
    check_decode_arguments(tf.constant([[5]]), [1], errors)
    check_decode_arguments(tf.ragged.constant([[5]]), None, errors)
