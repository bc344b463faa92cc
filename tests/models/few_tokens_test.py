"""A tokenizer whose vocabulary lacks bytes, with merges in another order."""

import json
import random
import re

import keras_hub
import pytest
import tensorflow as tf
import tokenizers

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.models.keras_hub_fixtures import MERGES
from tests.models.keras_hub_fixtures import task_arguments
from tests.models.keras_hub_fixtures import vocabulary

END = "<|endoftext|>"
WORDS = [*"airplneothb ", " airplane", " at", "airport", " th", " b", END]
MISSING = (
    "Texts must be made of bytes that the vocabulary holds. Received: "
    "byte=0x71 (q), which it lacks. Add the byte to vocabulary, or take it "
    "out of the text."
)


@pytest.fixture(scope="module")
def tokenizer():
    return GPT3Tokenizer(vocabulary(), MERGES)


@pytest.fixture(scope="module")
def texts():
    choices = random.Random(0)
    count = range(1, 15)
    return [
        "".join(choices.choices(WORDS, k=choices.choice(count)))
        for _ in range(500)
    ]


def test_ids_are_those_of_keras_hub(tokenizer, texts):
    theirs = keras_hub.models.GPT2Tokenizer(vocabulary(), MERGES)
    ids = tokenizer(texts)
    assert len({tuple(row) for row in ids}) > 400
    assert ids == theirs(texts)
    assert tokenizer.detokenize(ids) == texts


def test_ids_are_those_of_the_exported_tokenizer(tokenizer, texts, tmp_path):
    tokenizer.export_to_transformers(tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer(texts) == [x.ids for x in theirs.encode_batch(texts)]
    copy = GPT3Tokenizer.from_tokenizer_files(read_tokenizer(tmp_path))
    assert copy(texts) == tokenizer(texts)


@pytest.mark.parametrize(
    "encode",
    [
        lambda tokenizer, text: tokenizer(text),
        lambda tokenizer, text: tokenizer([text, "a"]),
        lambda tokenizer, text: tokenizer.encode_to_numpy(text),
        lambda tokenizer, text: list(
            tf.data.Dataset.from_tensor_slices([text]).map(tokenizer)
        ),
    ],
    ids=["string", "list", "array", "dataset"],
)
def test_a_missing_byte_is_named(encode, tokenizer):
    with pytest.raises(ValueError, match=re.escape(MISSING)) as error:
        with one_line_errors():
            encode(tokenizer, " airplane queue")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "use",
    [
        lambda model, text: model.fit([text], verbose=0),
        lambda model, text: model.generate(text),
        lambda model, text: model.score(text, " at"),
    ],
    ids=["fit", "generate", "score"],
)
def test_a_model_names_a_missing_byte(use):
    model = GPT3(**task_arguments())
    with pytest.raises(ValueError, match=f"^{re.escape(MISSING)}$"):
        use(model, " airplane queue")


@pytest.mark.parametrize("cut", [1, 8])
def test_merges_that_were_cut_are_still_refused(cut, tokenizer, tmp_path):
    tokenizer.save_assets(tmp_path)
    path = tmp_path / "merges.txt"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:-cut], ""]), "utf-8")
    with pytest.raises(ValueError, match=f"{len(MERGES) - cut} rules of 17"):
        GPT3Tokenizer().load_assets(tmp_path)


def test_a_merge_whose_result_has_no_id_is_still_refused(tmp_path):
    small = vocabulary()
    del small["plane"]
    (tmp_path / "vocabulary.json").write_text(json.dumps(small), "utf-8")
    (tmp_path / "merges.txt").write_text("\n".join(MERGES), "utf-8")
    with pytest.raises(ValueError, match="its result in the vocabulary"):
        GPT3Tokenizer().load_assets(tmp_path)
