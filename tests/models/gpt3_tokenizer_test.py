import json
import time

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import preset_loader
from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import NAMES
from tests.converters.tokenizer_folders import expected_texts
from tests.tokenization.slow_byte_pair_encoding import merge_ranks
from tests.tokenization.slow_byte_pair_encoding import slow_encode
from tests.tokenization.small_vocabulary import small_vocabulary

END = "<|endoftext|>"
TEXTS = ["hello world", "", f"é\n\n{END}"]
# The small vocabulary's ids of bytes are the bytes.
HELLO_IDS = [259, 264]
TEXT_IDS = [HELLO_IDS, [], [270, 265, 271]]


@pytest.fixture
def tokenizer():
    return GPT3Tokenizer(*small_vocabulary())


@pytest.mark.parametrize(
    "inputs", ["hello world", b"hello world", tf.constant("hello world")]
)
def test_a_string_gives_an_int32_array(tokenizer, inputs):
    for ids in (tokenizer(inputs), tokenizer.tokenize(inputs)):
        assert isinstance(ids, np.ndarray)
        assert ids.dtype == "int32"
        assert ids.tolist() == HELLO_IDS


@pytest.mark.parametrize(
    "inputs", [TEXTS, tuple(TEXTS), np.array(TEXTS), tf.constant(TEXTS)]
)
def test_a_batch_gives_lists(tokenizer, inputs):
    assert tokenizer(inputs) == TEXT_IDS
    assert tokenizer.tokenize(inputs) == TEXT_IDS


@pytest.mark.parametrize("split", [None, False, True])
@pytest.mark.parametrize("default", [False, True])
def test_an_array_holds_what_a_batch_holds(default, split):
    tokenizer = GPT3Tokenizer(*small_vocabulary(), split_special_tokens=default)
    for text, ids in zip(
        TEXTS, tokenizer.encode_batch(TEXTS, split), strict=True
    ):
        array = tokenizer.encode_to_numpy(text, split)
        assert np.issubdtype(array.dtype, np.integer)
        assert array.tolist() == ids


def test_gives_the_types_that_keras_hub_gives(tokenizer):
    peer = keras_hub.models.GPT2Tokenizer(*small_vocabulary())
    for inputs in ("hello world", ["hello"], [], tf.constant(["hello"])):
        ours, theirs = tokenizer(inputs), peer(inputs)
        assert type(ours) is type(theirs)
        assert np.array_equal(ours, theirs)
    for ids in (HELLO_IDS, [HELLO_IDS], 104, np.array(HELLO_IDS), []):
        assert tokenizer.detokenize(ids) == peer.detokenize(ids)


def test_detokenize_keeps_special_tokens(tokenizer):
    assert tokenizer.detokenize(TEXT_IDS) == TEXTS
    assert tokenizer.detokenize(tf.ragged.constant(TEXT_IDS)) == TEXTS
    assert tokenizer.detokenize(np.array(TEXT_IDS[2])) == TEXTS[2]


def test_split_special_tokens_leaves_no_separator():
    vocabulary, merges = small_vocabulary()
    tokenizer = GPT3Tokenizer(vocabulary, merges, split_special_tokens=True)
    ids = tokenizer(f"a{END}")
    assert tokenizer.end_token_id not in ids
    assert tokenizer.detokenize(ids) == f"a{END}"
    dataset = tf.data.Dataset.from_tensors(f"a{END}").map(tokenizer)
    assert np.array_equal(next(iter(dataset)), ids)


def test_maps_over_datasets(tokenizer):
    texts = tf.data.Dataset.from_tensor_slices(TEXTS)
    ids = texts.map(tokenizer)
    assert ids.element_spec == tf.TensorSpec([None], tf.int32)
    assert [x.numpy().tolist() for x in ids] == TEXT_IDS
    batched = texts.batch(3).map(tokenizer, num_parallel_calls=2)
    assert batched.element_spec.shape.as_list() == [None, None]
    assert next(iter(batched)).to_list() == TEXT_IDS
    restored = batched.map(tokenizer.detokenize)
    assert next(iter(restored)).numpy().tolist() == [t.encode() for t in TEXTS]


def test_works_in_a_tf_function(tokenizer):
    ids = tf.function(tokenizer)(tf.constant(TEXTS))
    assert isinstance(ids, tf.RaggedTensor)
    assert ids.to_list() == TEXT_IDS
    text = tf.function(tokenizer.detokenize)(tf.constant(HELLO_IDS))
    assert text.numpy() == b"hello world"


def test_knows_symbolic_inputs(tokenizer):
    ids = tokenizer(keras.Input((), dtype="string"))
    assert ids.shape == (None, None)
    assert ids.dtype == "int32"


def test_dtype_int64():
    vocabulary, merges = small_vocabulary()
    tokenizer = GPT3Tokenizer(vocabulary, merges, dtype="int64")
    assert tokenizer("a").dtype == "int64"
    assert tf.function(tokenizer)(tf.constant("a")).dtype == "int64"


def test_has_keras_hubs_vocabulary_interface(tokenizer):
    vocabulary, merges = small_vocabulary()
    end_id = vocabulary[END]
    assert tokenizer.vocabulary_size() == end_id + 1
    assert tokenizer.get_vocabulary() == list(vocabulary)
    assert tokenizer.vocabulary == vocabulary
    assert tokenizer.merges == merges
    assert tokenizer.token_to_id("hello") == 259
    assert tokenizer.id_to_token(259) == "hello"
    for name in ("end_token", "start_token", "pad_token"):
        assert getattr(tokenizer, name) == END
        assert getattr(tokenizer, f"{name}_id") == end_id
    assert tokenizer.special_tokens == [END]
    assert tokenizer.special_token_ids == [end_id]


def test_survives_serialization_and_assets(tokenizer, tmp_path):
    tokenizer.split_special_tokens = True
    config = keras.saving.serialize_keras_object(tokenizer)
    restored = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(config))
    )
    assert isinstance(restored, GPT3Tokenizer)
    assert restored.get_config() == tokenizer.get_config()
    assert restored.vocabulary is None
    tokenizer.save_assets(tmp_path)
    restored.load_assets(tmp_path)
    assert restored(TEXTS) == tokenizer(TEXTS)
    assert restored.end_token_id == tokenizer.end_token_id


def opt_like_tokenizer(**arguments):
    """Ids in no order, and special tokens of its own."""
    vocabulary, merges = small_vocabulary()
    tokens = ["<pad>", "</s>", *reversed(vocabulary), "<x>"]
    return GPT3Tokenizer(
        {token: id for id, token in enumerate(tokens)},
        merges,
        special_tokens=["<x>"],
        start_token="</s>",
        end_token="</s>",
        pad_token="<pad>",
        **arguments,
    )


def test_special_tokens_of_other_families():
    tokenizer = opt_like_tokenizer()
    assert (tokenizer.start_token_id, tokenizer.end_token_id) == (1, 1)
    assert tokenizer.pad_token_id == 0
    assert tokenizer.special_tokens == ["</s>", "<pad>", "<x>"]
    last = tokenizer.vocabulary_size() - 1
    assert tokenizer.special_token_ids == [1, 0, last]
    text = f"hello</s><pad>{END}<x>"
    ids = tokenizer(text)
    hello, plain = tokenizer.token_to_id("hello"), tokenizer.tokenize(END)
    assert ids.tolist() == [hello, 1, 0, *plain, last]
    assert len(plain) == len(END)
    in_graph = tf.function(tokenizer)(tf.constant(text))
    assert in_graph.numpy().tolist() == ids.tolist()
    assert tokenizer.detokenize(ids) == text
    apart = opt_like_tokenizer(split_special_tokens=True)
    assert len(apart("</s>")) == 4


def test_special_tokens_survive_serialization(tmp_path):
    tokenizer = opt_like_tokenizer()
    config = keras.saving.serialize_keras_object(tokenizer)
    restored = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(config))
    )
    tokenizer.save_assets(tmp_path)
    restored.load_assets(tmp_path)
    assert restored.get_config() == tokenizer.get_config()
    text = f"hello</s><pad>{END}<x>"
    assert restored(text).tolist() == tokenizer(text).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_loads_a_folder_in_hugging_face_s_layout(name):
    tokenizer = GPT3Tokenizer.from_preset(FIXTURES / name)
    texts, ids = expected_texts(name)
    starts = [tokenizer.start_token_id] if name == "opt" else []
    assert [starts + row for row in tokenizer(texts)] == ids


@pytest.mark.parametrize("add_start_token", [False, True])
def test_exports_what_it_loads(add_start_token, tmp_path):
    tokenizer = opt_like_tokenizer()
    tokenizer.export_to_transformers(tmp_path, add_start_token)
    files = read_tokenizer(tmp_path)
    assert files.add_start_token is add_start_token
    restored = GPT3Tokenizer.from_tokenizer_files(files)
    assert restored.vocabulary == tokenizer.vocabulary
    assert restored.merges == tokenizer.merges
    assert set(restored.special_tokens) == set(tokenizer.special_tokens)


def test_does_not_export_what_transformers_would_read_differently(tmp_path):
    tokenizer = opt_like_tokenizer(split_special_tokens=True)
    with pytest.raises(
        ValueError,
        match=r"special tokens in texts to be exported\. Received: split_spec",
    ):
        tokenizer.export_to_transformers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_special_tokens_must_be_in_the_vocabulary():
    with pytest.raises(ValueError, match=r"'</s>' is missing\. Add it to"):
        GPT3Tokenizer(*small_vocabulary(), end_token="</s>")


def test_saved_merges_begin_with_the_line_that_gpt2s_reader_drops(
    tokenizer, tmp_path
):
    tokenizer.save_assets(tmp_path)
    lines = (tmp_path / "merges.txt").read_text("utf-8").split("\n")
    version = f"#version: 0.2 rules: {len(tokenizer.merges)}"
    assert lines == [version, *tokenizer.merges, ""]


def test_survives_a_keras_archive(tokenizer, tmp_path):
    model = keras.Sequential([keras.Input((), dtype="string"), tokenizer])
    model.save(tmp_path / "tokenizer.keras")
    restored = keras.saving.load_model(tmp_path / "tokenizer.keras")
    assert restored.layers[-1](TEXTS) == TEXT_IDS


def test_survives_a_preset_folder(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(GPT3Tokenizer, "backbone_cls", keras.Model)
    tokenizer.save_to_preset(tmp_path)
    config = json.dumps({"registered_name": "Functional"})
    (tmp_path / "config.json").write_text(config)
    restored = GPT3Tokenizer.from_preset(str(tmp_path))
    assert restored(TEXTS) == TEXT_IDS
    restored = GPT3Tokenizer.from_preset(
        str(tmp_path), split_special_tokens=True
    )
    assert restored.split_special_tokens


def test_loads_the_shipped_vocabulary_once_and_quickly():
    first = GPT3Tokenizer.from_preset("gpt3_small_en")
    assert first("Hello world").tolist() == [15496, 995]
    assert first.end_token_id == 50256
    start = time.perf_counter()
    others = [
        GPT3Tokenizer.from_preset(name, split_special_tokens=True)
        for name in preset_loader.shipped_presets()
    ]
    # One load is 0.2 s, so eight would be past this.
    assert time.perf_counter() - start < 1
    assert all(other.encoding is first.encoding for other in others)
    assert all(other.split_special_tokens for other in others)


def test_a_config_cannot_name_files(tokenizer):
    config = tokenizer.get_config()
    message = (
        r"A saved config must not hold the path of merges\. Received: "
        r"merges='/etc/passwd'\. Load"
    )
    with pytest.raises(ValueError, match=message):
        GPT3Tokenizer.from_config(config | {"merges": "/etc/passwd"})


def test_needs_a_vocabulary():
    tokenizer = GPT3Tokenizer()
    message = (
        r"A vocabulary must be set before the tokenizer is used\. Received: "
        r"vocabulary=None\. Pass"
    )
    for use in (tokenizer, tokenizer.detokenize, tokenizer.id_to_token):
        with pytest.raises(ValueError, match=message):
            use([])
    with pytest.raises(ValueError, match=message):
        tokenizer.with_first_merges(10)
    assert tokenizer.end_token_id is None


@pytest.mark.parametrize("given", [0, 1])
def test_needs_vocabulary_and_merges_together(given):
    arguments = [None, None]
    arguments[given] = small_vocabulary()[given]
    missing = ("merges", "vocabulary")[given]
    message = (
        "vocabulary and merges must be given together. Received: "
        f"{missing}=None. Pass both"
    )
    with pytest.raises(ValueError, match=message):
        GPT3Tokenizer(*arguments)


def test_needs_an_integer_dtype():
    message = "must be 'int32' or 'int64'. Received: dtype='float32'. Leave"
    with pytest.raises(ValueError, match=message):
        GPT3Tokenizer(dtype="float32")


@pytest.mark.parametrize("inputs", ["a\ud800", ["b", "a\ud800"]])
def test_bad_text_raises_one_line(tokenizer, inputs):
    message = r"a lone surrogate U\+D800 at position 1\. Replace it"
    with pytest.raises(ValueError, match=message) as error:
        tokenizer(inputs)
    assert "\n" not in str(error.value)


# === The vocabulary, and its files ===


def build(vocabulary=None, merges=None, special_tokens=("hello",)):
    return GPT3Tokenizer(
        vocabulary, merges, special_tokens=special_tokens, pad_token="!"
    )


def test_holds_tokens_with_and_without_roles():
    tokenizer = build(*small_vocabulary(), special_tokens=("hello", "!"))
    assert tokenizer.special_tokens == [END, "!", "hello"]
    ids = [tokenizer.token_to_id(t) for t in (END, "!", "hello")]
    assert tokenizer.special_token_ids == ids
    assert (tokenizer.end_token_id, tokenizer.pad_token_id) == (ids[0], ids[1])


def test_waits_for_a_vocabulary(tmp_path):
    build(*small_vocabulary()).save_assets(tmp_path)
    tokenizer = build()
    assert tokenizer.vocabulary is tokenizer.merges is None
    assert tokenizer.end_token_id is None
    with pytest.raises(ValueError, match="A vocabulary must be set before"):
        tokenizer.special_token_ids  # noqa: B018
    tokenizer.load_assets(tmp_path)
    vocabulary, merges = small_vocabulary()
    assert tokenizer.vocabulary == vocabulary
    assert tokenizer.merges == merges
    assert tokenizer.encoding.special_tokens == (END, "!", "hello")
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == vocabulary


@pytest.mark.parametrize("name", ["vocabulary.json", "merges.txt"])
def test_a_preset_without_a_file_says_which_folder_to_copy(tmp_path, name):
    files = tmp_path / "assets" / "tokenizer"
    files.mkdir(parents=True)
    build(*small_vocabulary()).save_assets(files)
    tokenizer = build()
    tokenizer.load_preset_assets(str(tmp_path))
    assert tokenizer.vocabulary == small_vocabulary()[0]
    (files / name).unlink()
    with pytest.raises(FileNotFoundError) as error:
        build().load_preset_assets(str(tmp_path))
    assert str(error.value) == (
        "A preset with a tokenizer must hold its files. Received: "
        f"preset='{tmp_path}', without vocabulary.json or merges.txt in "
        "assets/tokenizer. Copy the whole folder that save_to_preset wrote, "
        "or pass preprocessor=None to from_preset."
    )


@pytest.mark.parametrize("num_merges", [0, 300])
def test_the_first_merges_are_an_encoding_of_their_own(num_merges):
    whole = GPT3Tokenizer.from_preset("gpt3_small_en")
    small = whole.with_first_merges(num_merges)
    ranks = merge_ranks(whole.merges[:num_merges])
    # GPT-2's merges have their ids by rank: those that are left keep them.
    vocabulary = {t: id for t, id in whole.vocabulary.items() if id < 256}
    vocabulary |= {"".join(rule): 256 + rank for rule, rank in ranks.items()}
    vocabulary |= {END: 256 + num_merges}
    assert small.vocabulary == vocabulary
    texts = ["Hello world, the weather is fine.", f"né {END}\n"]
    expected = [slow_encode(text, vocabulary, ranks) for text in texts]
    assert small(texts) == expected
    assert small.detokenize(expected) == texts


def test_there_must_be_so_many_merges(tokenizer):
    with pytest.raises(ValueError) as error:
        tokenizer.with_first_merges(50)
    number = len(tokenizer.merges)
    assert str(error.value) == (
        "num_merges must be at most the number of merges that there are. "
        f"Received: num_merges=50, of {number}. Use at most {number}."
    )
