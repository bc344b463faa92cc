import json
import pickle
import random
import re
import socket

import numpy as np
import pytest

from keras_gpt3 import preset_loader
from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization import byte_pair_encoding
from keras_gpt3.tokenization.byte_pair_encoding import are_nested
from keras_gpt3.tokenization.byte_pair_encoding import build_tiktoken_encoding
from keras_gpt3.tokenization.byte_pair_encoding import shared_byte_pair_encoding
from keras_gpt3.tokenization.byte_pair_encoding import split_at_tokens
from tests.tokenization.fuzz_texts import fuzz_texts
from tests.tokenization.slow_byte_pair_encoding import merge_ranks
from tests.tokenization.slow_byte_pair_encoding import slow_encode
from tests.tokenization.small_vocabulary import small_vocabulary

# === Byte pair encoding ===


END = "<|endoftext|>"


@pytest.fixture(scope="module")
def gpt2():
    return shared_byte_pair_encoding(*preset_loader.vocabulary_paths())


@pytest.fixture(scope="module")
def oracle():
    """Reads the shipped files on its own, and encodes slowly."""
    encoder_path, merges_path = preset_loader.vocabulary_paths()
    vocabulary = json.loads(encoder_path.read_text("utf-8"))
    ranks = merge_ranks(merges_path.read_text("utf-8").splitlines()[1:])

    def encode(text, split_special_tokens=False):
        return slow_encode(text, vocabulary, ranks, split_special_tokens)

    return encode


@pytest.mark.parametrize("split_special_tokens", [False, True])
def test_equals_the_slow_oracle_on_random_unicode(
    gpt2, oracle, split_special_tokens
):
    for text in fuzz_texts(4000, seed=0):
        ids = gpt2.encode(text, split_special_tokens)
        assert ids == oracle(text, split_special_tokens), repr(text)
        array = gpt2.encode_to_numpy(text, split_special_tokens)
        assert array.tolist() == ids, repr(text)
        assert gpt2.decode(ids) == text


def test_gives_the_known_ids_of_the_arithmetic_prompt(gpt2):
    ids = gpt2.encode("\n\nQ: What is 98 plus 45?\n\nA:")
    assert ids == [198, 198, 48, 25, 1867, 318, 9661, 5556, 4153, 30] + [
        198,
        198,
        32,
        25,
    ]


def test_keeps_the_last_merge_rule(gpt2):
    assert len(gpt2.merges) == 50000
    assert gpt2.merges[0] == "Ġ t"
    left, right = gpt2.merges[-1].split(" ")
    word = gpt2.decode([gpt2.token_to_id(left), gpt2.token_to_id(right)])
    assert gpt2.encode(word) == [50255]


def test_end_of_text_is_special_or_ordinary_text(gpt2):
    assert gpt2.encode(f"a{END}") == [64, 50256]
    assert 50256 not in gpt2.encode(f"a{END}", split_special_tokens=True)


@pytest.mark.parametrize("split_special_tokens", [False, True])
def test_permuted_ids_are_the_plain_ids_permuted(split_special_tokens):
    vocabulary, merges = small_vocabulary()
    ids = np.random.default_rng(0).permutation(len(vocabulary)).tolist()
    permuted = BytePairEncoding(
        {token: ids[id] for token, id in vocabulary.items()}, merges
    )
    ranks = merge_ranks(merges)
    for text in ["hello world", *fuzz_texts(300, seed=1)]:
        plain = slow_encode(text, vocabulary, ranks, split_special_tokens)
        got = permuted.encode(text, split_special_tokens)
        assert got == [ids[id] for id in plain]
        assert all(type(id) is int for id in got)
        array = permuted.encode_to_numpy(text, split_special_tokens)
        assert array.tolist() == got
        assert permuted.decode(got) == text


def test_a_vocabulary_need_not_hold_bytes_that_no_text_has():
    whole, merges = small_vocabulary()
    merges.remove("Ã ©")
    kept = [t for t in whole if t not in ("q", "Ã", "Ã©")]
    encoding = BytePairEncoding({t: i for i, t in enumerate(kept)}, merges)
    text = f"hello world{END}"
    expected = [kept.index(t) for t in ("hello", "Ġworld", END)]
    assert encoding.encode(text) == expected
    assert encoding.encode_to_numpy(text).tolist() == expected
    assert encoding.encode("") == []
    for text, name in (("hello query", "0x71 (q)"), ("hello é", "0xC3")):
        message = (
            "Texts must be made of bytes that the vocabulary holds. Received: "
            f"byte={name}, which it lacks. Add the byte to vocabulary, or "
            "take it out of the text."
        )
        for encode in (
            encoding.encode,
            encoding.encode_to_numpy,
            lambda text: encoding.encode_batch(["a", text]),
        ):
            with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
                encode(text)


def test_decodes_tokens_that_no_merge_makes():
    vocabulary, merges = small_vocabulary()
    encoding = BytePairEncoding(vocabulary | {"madeup": 300}, merges)
    assert encoding.vocabulary_size == 301
    assert encoding.decode([300]) == "madeup"
    assert 300 not in encoding.encode("madeup")


def test_special_tokens_may_be_any_text():
    vocabulary, merges = small_vocabulary()
    vocabulary = vocabulary | {"<pad é>": 400, "</s>": 401}
    encoding = BytePairEncoding(
        vocabulary, merges, special_tokens=("<pad é>", "</s>")
    )
    ids = encoding.encode("a</s><pad é>")
    assert ids == [ord("a"), 401, 400]
    assert encoding.decode(ids) == "a</s><pad é>"


def test_the_longer_of_two_special_tokens_counts(monkeypatch):
    vocabulary, merges = small_vocabulary()
    special = "<p>", "<p>>", "<p>>!"
    vocabulary |= {t: len(vocabulary) + i for i, t in enumerate(special)}
    encoding = BytePairEncoding(vocabulary, merges, special)
    text = "hello<p> <p>>>\n\n<p>>!<p><p>> hello"
    expected = ["hello", "<p>", "Ġ", "<p>>", ">", "ĊĊ", "<p>>!", "<p>", "<p>>"]
    expected = [vocabulary[t] for t in [*expected, "Ġ", "hello"]]
    assert encoding.encode(text) == expected
    assert encoding.encode_to_numpy(text).tolist() == expected
    # Long texts are cut elsewhere, too.
    monkeypatch.setattr(byte_pair_encoding, "LONG_RUN", 2)
    assert encoding.encode(text) == expected


def test_no_special_tokens_at_all():
    vocabulary, merges = small_vocabulary()
    encoding = BytePairEncoding(vocabulary, merges, special_tokens=())
    ids = encoding.encode(f"a{END}")
    assert vocabulary[END] not in ids
    assert encoding.decode(ids) == f"a{END}"


@pytest.mark.parametrize("num_threads", [None, 1, 3])
def test_batch_equals_one_by_one(gpt2, num_threads, monkeypatch):
    monkeypatch.setattr(byte_pair_encoding, "_MIN_THREADED_CHARACTERS", 100)
    texts = list(fuzz_texts(200, seed=2))
    for split_special_tokens in (False, True):
        assert gpt2.encode_batch(
            texts, split_special_tokens, num_threads=num_threads
        ) == [gpt2.encode(text, split_special_tokens) for text in texts]
    assert gpt2.encode_batch([]) == []


def test_long_whitespace_is_no_harder_than_any_text(gpt2):
    text = "x" + " \n" * 600_000 + f"y\n{END}"
    assert gpt2.decode(gpt2.encode(text)) == text
    assert gpt2.encode_to_numpy(text).tolist() == gpt2.encode(text)


def test_decodes_arrays_and_bytes(gpt2):
    half = gpt2.encode("é!")[:1] + gpt2.encode("é")[:1]
    assert gpt2.decode(np.array([15496, 995], "int32")) == "Hello world"
    assert gpt2.decode_bytes(half) == "éé".encode()
    cut = gpt2.encode("\U0001f9a6")[:-1]
    assert gpt2.decode(cut) == "\ufffd"
    assert gpt2.decode(cut, errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        gpt2.decode(cut, errors="strict")


def test_looks_tokens_up(gpt2):
    assert gpt2.vocabulary_size == 50257
    assert gpt2.token_to_id("Ġthe") == 262
    assert gpt2.id_to_token(262) == "Ġthe"
    assert gpt2.id_to_token(50256) == END


def test_survives_pickling():
    encoding = pickle.loads(pickle.dumps(BytePairEncoding(*small_vocabulary())))
    assert encoding.decode(encoding.encode("hello world")) == "hello world"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda e: e.encode("ab\ud800"),
            r"Texts must be valid UTF-8\. Received: a lone surrogate U\+D800 "
            r"at position 2\. Replace it",
        ),
        (
            lambda e: e.encode(b"ab"),
            r"Texts must be str\. Received: text=b'ab' \(bytes\)\. Decode",
        ),
        (
            lambda e: e.decode([5, 50257]),
            r"Token ids must be in the vocabulary, from 0 to 50256\. Received: "
            r"id=50257, vocabulary_size=50257\. Use the tokenizer",
        ),
        (lambda e: e.decode([-1]), r"Received: id=-1,"),
        (lambda e: e.id_to_token(-1), r"Received: id=-1,"),
        (
            lambda e: e.decode([[5]]),
            r"ids must be a flat list of int\. Received: ids=\[\[5\]\]\. "
            "Decode one",
        ),
        (
            lambda e: e.token_to_id(" the"),
            r"token must be in the vocabulary\. Received: token=' the'\. "
            "Spell",
        ),
    ],
)
def test_bad_input_raises_one_line(gpt2, call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(gpt2)
    assert "\n" not in str(error.value)


# === Shared encoding ===


def write(folder, vocabulary, merges):
    (folder / "v.json").write_text(json.dumps(vocabulary), "utf-8")
    (folder / "m.txt").write_text("\n".join([*merges, ""]), "utf-8")
    return str(folder / "v.json"), folder / "m.txt"


def test_shares_equal_files_and_notices_changed_ones(tmp_path):
    vocabulary, merges = small_vocabulary()
    paths = write(tmp_path, vocabulary, merges)
    first = shared_byte_pair_encoding(*paths)
    assert shared_byte_pair_encoding(*paths) is first
    assert first.merges == merges
    swapped = vocabulary | {"a": vocabulary["b"], "b": vocabulary["a"]}
    paths = write(tmp_path, swapped, merges)
    second = shared_byte_pair_encoding(*paths)
    assert second.encode("ab") == first.encode("ba")


def test_other_special_tokens_are_another_encoding(tmp_path):
    paths = write(tmp_path, *small_vocabulary())
    plain = shared_byte_pair_encoding(*paths)
    special = shared_byte_pair_encoding(*paths, special_tokens=["hello"])
    assert plain.special_tokens == ("<|endoftext|>",)
    assert special.special_tokens == ("hello",)
    assert shared_byte_pair_encoding(*paths) is plain


# === Special token split ===


def slow_split(text, tokens):
    """Looks at each place in turn for the longest token that begins there."""
    parts, start, place = [], 0, 0
    while place < len(text):
        found = [t for t in tokens if text.startswith(t, place)]
        if not found:
            place += 1
            continue
        token = max(found, key=len)
        parts += [text[start:place], token]
        place = start = place + len(token)
    return [*parts, text[start:]]


@pytest.mark.parametrize(
    "tokens", [("ab",), ("a", "ab"), ("ab", "abb", "b|"), (".*", "(", "a.")]
)
def test_equals_the_slow_oracle(tokens):
    choices = random.Random(0)
    for _ in range(200):
        text = "".join(choices.choices("ab|.*(", k=choices.randint(0, 12)))
        parts = split_at_tokens(text, tokens)
        assert parts == slow_split(text, tokens)
        assert "".join(parts) == text


@pytest.mark.parametrize(
    ("tokens", "nested"),
    [
        ((), False),
        (("<a>",), False),
        (("<a>", "<b>", "a>"), False),
        (("<a>b", "z", "<a>"), True),
        (("<a", "<a>c", "<a>b"), True),
    ],
)
def test_tells_whether_one_token_begins_with_another(tokens, nested):
    assert are_nested(tokens) is nested


# === Tiktoken encoding ===


def build(vocabulary):
    _, merges = small_vocabulary()
    rules = [tuple(rule.split(" ")) for rule in merges]
    return build_tiktoken_encoding(vocabulary, rules, (END,))


def test_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("network")

    monkeypatch.setattr(socket, "socket", refuse)
    encoding, _ = build(small_vocabulary()[0])
    assert encoding.encode_ordinary("hello") == [259]


def test_ids_in_merge_order_need_no_second_pass():
    vocabulary, _ = small_vocabulary()
    assert build(vocabulary)[1] is None
    del vocabulary[END]
    _, rank_to_id = build({END: 0} | {t: i + 1 for t, i in vocabulary.items()})
    assert np.array_equal(rank_to_id, [*range(1, len(vocabulary) + 1), 0])
