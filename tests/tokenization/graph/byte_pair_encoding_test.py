import gc
import itertools
import random
import re

import pytest
import tensorflow as tf

from keras_gpt3 import preset_loader
from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.byte_pair_encoding import shared_byte_pair_encoding
from keras_gpt3.tokenization.graph import byte_pair_encoding
from keras_gpt3.tokenization.graph.byte_pair_encoding import (
    GraphBytePairEncoding,
)
from keras_gpt3.tokenization.graph.byte_pair_encoding import encode_around
from keras_gpt3.tokenization.graph.byte_pair_encoding import split_at
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from tests.tokenization.any_unicode_texts import any_unicode_texts
from tests.tokenization.any_unicode_texts import whitespace
from tests.tokenization.make_character_classes import all_characters
from tests.tokenization.small_vocabulary import small_vocabulary

# === Graph byte pair encoding ===


END = "<|endoftext|>"
# The first and last of each kind of byte in UTF-8, and some never in it.
AWKWARD_BYTES = b"a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xe0\xed\xef\xf0\xf4\xf5"
TEXTS = ["hello world", "", "é\n\n", f"a{END}", "  the \u2003 world 12"]


@pytest.fixture(scope="module")
def small():
    vocabulary, merges = small_vocabulary()
    return (
        GraphBytePairEncoding(vocabulary, merges),
        BytePairEncoding(vocabulary, merges),
    )


@pytest.fixture(scope="module")
def gpt2():
    paths = preset_loader.vocabulary_paths()
    return GraphBytePairEncoding(*paths), shared_byte_pair_encoding(*paths)


def expected_ids(encoding, texts):
    return encoding.encode_batch(texts)


def assert_equal(encodings, texts):
    """Compares a batch's ids with tiktoken's, and its texts on the way back."""
    graph, eager = encodings
    ids = graph.encode(tf.constant(texts, tf.string))
    assert ids.dtype == tf.int32
    for text, got, expected in zip(
        texts, ids.to_list(), expected_ids(eager, texts), strict=True
    ):
        assert got == expected, repr(text)
    decoded = graph.decode(ids).numpy().tolist()
    assert decoded == [text.encode() for text in texts]


# === Texts to ids ===


@pytest.mark.parametrize("which", ["small", "gpt2"])
@pytest.mark.quick_cases(1)
def test_equals_tiktoken_on_random_unicode(which, request):
    texts = list(any_unicode_texts(500, seed=4))
    assert_equal(request.getfixturevalue(which), texts)


def test_equals_tiktoken_on_every_character(gpt2):
    text = all_characters()
    step = 4096
    texts = [text[i : i + step] for i in range(0, len(text), 16 * step)]
    assert_equal(gpt2, texts)


def test_equals_tiktoken_around_every_whitespace(gpt2):
    texts = [
        f"{before}{space}{after}"
        for space in whitespace()
        for before in ("", "a", " ", "'", space)
        for after in ("", "s", "'s", " b", space + "1")
    ]
    assert_equal(gpt2, texts)


@pytest.mark.parametrize(
    "text",
    [" " * 1000 + "x", "a" * 999, "\n \n" * 300, "'ll" * 300, "x1" * 300],
)
def test_equals_tiktoken_on_long_runs(gpt2, text):
    assert_equal(gpt2, [text, "short", text[:-1]])


def test_gives_the_known_ids_of_the_arithmetic_prompt(gpt2):
    ids = gpt2[0].encode(["\n\nQ: What is 98 plus 45?\n\nA:"]).to_list()[0]
    assert ids == [198, 198, 48, 25, 1867, 318, 9661, 5556, 4153, 30] + [
        198,
        198,
        32,
        25,
    ]


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""], ["", "a", ""]])
def test_empty_texts(small, texts):
    assert_equal(small, texts)


def test_ids_need_not_follow_the_order_of_merges():
    vocabulary, merges = small_vocabulary()
    vocabulary = {token: 3 * (300 - id) for token, id in vocabulary.items()}
    arguments = vocabulary | {"<pad é>": 5}, merges, (END, "<pad é>")
    graph, eager = (
        GraphBytePairEncoding(*arguments),
        BytePairEncoding(*arguments),
    )
    assert graph.vocabulary_size == eager.vocabulary_size == 901
    assert_equal((graph, eager), TEXTS)
    assert graph.decode([[5]]).numpy().tolist() == ["<pad é>".encode()]
    assert_equal((graph, eager), [f"the<pad é>{END}<pad é>", "<pad é"])
    ids = [5, eager.vocabulary[END], 6]
    assert graph.is_special(tf.constant(ids)).numpy().tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    "text",
    [
        END,
        END + END,
        f"{END}the",
        f"the {END}",
        f"hello \n {END}\n world",
        f"the{END} {END}  {END}",
        f"{END[:-1]}{END}{END[1:]}",
        END[:-1],
        END.upper(),
        f"\0{END}é",
    ],
)
def test_special_tokens_are_where_tiktoken_finds_them(small, text):
    assert_equal(small, [text, "the", f"{text}{text}", ""])


def test_special_tokens_may_be_ordinary_text(small):
    texts = [*TEXTS, END, f"the {END}{END}"]
    graph = GraphBytePairEncoding(
        *small_vocabulary(), split_special_tokens=True
    )
    expected = small[1].encode_batch(texts, split_special_tokens=True)
    assert graph.encode(texts).to_list() == expected
    assert expected != small[1].encode_batch(texts)


def test_without_special_tokens_all_is_ordinary_text(small):
    graph = GraphBytePairEncoding(*small_vocabulary(), special_tokens=())
    expected = small[1].encode_batch(TEXTS, split_special_tokens=True)
    assert graph.encode(TEXTS).to_list() == expected


# === Ids to texts ===


def test_decodes_dense_ids_up_to_their_lengths(small):
    graph, eager = small
    ids = eager.encode("hello world")
    batch = tf.constant([ids, ids, ids])
    texts = graph.decode(batch, lengths=[len(ids), 1, 0]).numpy().tolist()
    assert texts == [b"hello world", b"hello", b""]
    assert graph.decode(batch).numpy().tolist() == [b"hello world"] * 3
    assert graph.decode(tf.zeros([0, 3], tf.int64)).shape == [0]


@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_decodes_pieces_of_characters_as_python_does(gpt2, errors):
    graph, eager = gpt2
    pieces = [eager.encode(text)[:-1] for text in ("\U0001f9a6", "中文é", "ﷺ")]
    pieces += [eager.encode("é")[:1] + eager.encode("é!")]
    pieces += [pieces[0][:1] + eager.encode("a"), eager.encode("\uffff")]
    ids = tf.ragged.constant(pieces, dtype=tf.int32)
    exact = [eager.decode_bytes(piece) for piece in pieces]
    assert graph.decode(ids).numpy().tolist() == exact
    assert [t.decode() for t in graph.decode(ids, errors=errors).numpy()] == [
        eager.decode(piece, errors) for piece in pieces
    ]


@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_decodes_random_bytes_as_python_does(small, errors):
    graph, eager = small
    choices = random.Random(6)
    awkward = [eager.vocabulary[BYTE_SYMBOLS[byte]] for byte in AWKWARD_BYTES]
    rows = [choices.choices(awkward, k=5) for _ in range(2000)]
    shown = graph.decode(tf.constant(rows), errors=errors).numpy().tolist()
    for row, text in zip(rows, shown, strict=True):
        assert text.decode() == eager.decode(row, errors), row


# === In graphs ===


def test_works_inside_a_dataset(small):
    graph, eager = small
    batches = (
        tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(graph.encode)
    )
    assert batches.element_spec.dtype == tf.int32
    rows = [row for batch in batches for row in batch.to_list()]
    assert rows == expected_ids(eager, TEXTS)


def test_files_go_with_the_encoding(monkeypatch, tmp_path):
    monkeypatch.setattr(
        byte_pair_encoding.tempfile, "mkdtemp", lambda prefix: tmp_path
    )
    encoding = GraphBytePairEncoding(*small_vocabulary())
    assert encoding.encode(["hello"]).to_list()
    assert len([*tmp_path.iterdir()]) == 2
    del encoding
    gc.collect()
    assert not tmp_path.exists()


# === What is refused ===


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda e: e.encode(tf.constant([["a"]])),
            r"texts must be a string tensor of rank 1\. Received: "
            r"texts\.shape=\(1, 1\), texts\.dtype=string\. Pass a batch",
        ),
        (
            lambda e: e.encode(tf.constant([1])),
            r"Received: texts\.shape=\(1,\), texts\.dtype=int32\. Pass",
        ),
        (
            lambda e: e.encode(tf.constant([b"a", b"\xff"])),
            r"Texts must be valid UTF-8\. Received: an invalid byte in the "
            r"text at index=1\. Replace it",
        ),
        (
            lambda e: e.decode([[5, 272], [-1, 3]]),
            r"from 0 to 271\. Received: id=272\. Use the tokenizer",
        ),
        (lambda e: e.decode([[5, 3], [-1, 3]]), r"Received: id=-1\."),
        (lambda e: e.decode([[5]], lengths=[2]), r"Received: length=2\."),
        (lambda e: e.decode([[5]], errors=""), r"Received: errors=''\."),
    ],
)
def test_bad_input_raises_one_line(small, call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(small[0])
    assert "\n" not in str(error.value)


def test_a_hole_in_the_vocabulary_is_no_id():
    vocabulary, merges = small_vocabulary()
    graph = GraphBytePairEncoding(
        vocabulary | {"<end>": 400}, merges, ("<end>",)
    )
    with pytest.raises(ValueError, match=r"from 0 to 400\. Received: id=399\."):
        graph.decode([[399]])


def test_rules_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="A merge rule must have its parts"):
        GraphBytePairEncoding({"a": 0}, ["a b"], ())


def test_a_missing_byte_is_an_error_where_a_text_has_it():
    vocabulary, merges = small_vocabulary()
    for token in ("q", "Ċ", "ĊĊ"):
        del vocabulary[token]
    merges.remove("Ċ Ċ")
    arguments = {t: i for i, t in enumerate(vocabulary)}, merges
    encodings = GraphBytePairEncoding(*arguments), BytePairEncoding(*arguments)
    assert_equal(encodings, ["hello world", "", f"é{END}"])
    for text, name in (("a query", "0x71 (q)"), ("hello\n", "0x0A")):
        message = (
            "Texts must be made of bytes that the vocabulary holds. Received: "
            f"byte={name}, which it lacks. Add the byte to vocabulary, or "
            "take it out of the text."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            encodings[0].encode(["hello world", text])


def test_rules_may_come_in_any_order():
    vocabulary, merges = small_vocabulary()
    random.Random(0).shuffle(merges)
    arguments = vocabulary, merges
    encodings = GraphBytePairEncoding(*arguments), BytePairEncoding(*arguments)
    assert_equal(encodings, list(any_unicode_texts(200, seed=5)))
    assert_equal(encodings, TEXTS)


# === Graph special tokens ===


# Special tokens found in a graph, against a search in Python.


SPECIAL_END = "<|end|>"
SPECIAL_TEXTS = [
    "".join(parts)
    for parts in itertools.product(
        [SPECIAL_END, "a", "\n", "<|end|", "é\0"], repeat=3
    )
]
# Regular expressions give a meaning to most of these characters.
AWKWARD = ["<é [x]>", r"\1\0", "a.*b", "#-& ~", "\n$^", "(|)?{2}"]


def pieces_of(texts, tokens):
    pieces = tf.function(split_at)(tf.constant(texts, tf.string), tokens)
    return [[x.decode() for x in row] for row in pieces.to_list()]


def test_texts_are_cut_where_python_cuts_them():
    expected = [
        re.split(f"({re.escape(SPECIAL_END)})", text) for text in SPECIAL_TEXTS
    ]
    assert pieces_of(SPECIAL_TEXTS, [SPECIAL_END]) == expected
    assert sum(len(row) == 7 for row in expected) == 1


def test_no_character_of_a_token_has_a_meaning_of_its_own():
    texts = ["x".join(AWKWARD), "".join(AWKWARD), "aXb", "1", ""]
    pattern = "|".join(map(re.escape, AWKWARD))
    expected = [re.split(f"({pattern})", text) for text in texts]
    assert pieces_of(texts, AWKWARD) == expected
    assert [len(row) for row in expected] == [13, 13, 1, 1, 1]


def test_no_texts_have_no_pieces():
    assert pieces_of([], [SPECIAL_END]) == []


@pytest.mark.parametrize(
    "texts",
    [
        SPECIAL_TEXTS[:40],
        [],
        [""],
        [SPECIAL_END * 3],
    ],
)
def test_what_lies_between_is_encoded_by_itself(texts):
    seen = []

    def encode(pieces):
        seen.append(pieces)
        return tf.strings.unicode_decode(pieces, "UTF-8")

    @tf.function
    def encode_all(texts):
        return encode_around(texts, {SPECIAL_END: 2_000_000, "<|": -1}, encode)

    ids = encode_all(tf.constant(texts, tf.string))
    assert ids.dtype == tf.int32 and len(seen) == 1
    special = {SPECIAL_END: [2_000_000], "<|": [-1]}
    expected = [
        [
            id
            for piece in re.split(r"(<\|end\|>|<\|)", text)
            for id in special.get(piece, map(ord, piece))
        ]
        for text in texts
    ]
    assert ids.to_list() == expected
