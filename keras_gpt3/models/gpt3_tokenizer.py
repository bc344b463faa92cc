"""GPT-3's tokenizer; in a TensorFlow graph it runs a Python function."""

import functools
import json
import os

import keras
import numpy as np
from keras_hub.tokenizers import Tokenizer

from keras_gpt3 import preset_loader
from keras_gpt3.models.preset_resolution import check_preset
from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding
from keras_gpt3.tokenization.graph_encoding import decode_in_graph
from keras_gpt3.tokenization.graph_encoding import encode_in_graph
from keras_gpt3.tokenization.graph_encoding import in_graph
from keras_gpt3.tokenization.nested_inputs import to_id_sequences
from keras_gpt3.tokenization.nested_inputs import to_texts
from keras_gpt3.tokenization.shared_encoding import shared_byte_pair_encoding

# keras-hub's file names, so that its loaders find them.
VOCABULARY_FILE = "vocabulary.json"
MERGES_FILE = "merges.txt"


@keras.saving.register_keras_serializable(package="keras_gpt3")
class GPT3Tokenizer(Tokenizer):
    """Turns strings into token ids and back, exactly as GPT-2's tokenizer.

    GPT-3 keeps GPT-2's byte-level byte-pair encoding (section 2.1). A string
    gives an int32 array, a list of strings a list of lists of int. Inside
    `tf.data` and `tf.function` a scalar gives an int32 tensor `(length,)` and
    a batch a `tf.RaggedTensor` `(batch, None)`.

    Args:
        vocabulary: dict, or path. Token -> id with tokens in GPT-2's byte
            alphabet, or such a JSON file. Defaults to `None`: to be loaded.
        merges: list of strings, or path. Merge rules, the earliest first, or a
            file with one a line. Defaults to `None`: to be loaded.
        split_special_tokens: bool. Whether "<|endoftext|>" in a text is
            ordinary text and not the special token. Defaults to `False`.
        dtype: string. `"int32"` or `"int64"`. Defaults to `"int32"`.
        **kwargs: See `keras_hub.tokenizers.Tokenizer`.

    Call arguments:
        inputs: string, list of strings, or array or tensor of strings `()` or
            `(batch,)`.

    Raises:
        ValueError: The vocabulary and the merges do not fit together.

    Example:

    ```python
    import keras_gpt3

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    tokenizer(["Hello world", "Bye"])  # [[15496, 995], [3886, 68]]
    tokenizer.detokenize([15496, 995])  # "Hello world"
    ```
    """

    backbone_cls = None

    def __init__(
        self,
        vocabulary=None,
        merges=None,
        split_special_tokens=False,
        dtype="int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if self.compute_dtype not in ("int32", "int64"):
            raise ValueError(
                "`dtype` must be 'int32' or 'int64'. Received: "
                f"dtype={self.compute_dtype!r}. Leave it out for int32."
            )
        self.split_special_tokens = split_special_tokens
        self.file_assets = [VOCABULARY_FILE, MERGES_FILE]
        self._encoding = None
        self.built = True  # It has no weights; a model's `quantize` asks.
        for name in ("end_token", "start_token", "pad_token"):
            self._add_special_token("<|endoftext|>", name)
        self.set_vocabulary_and_merges(vocabulary, merges)

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Loads the tokenizer of a preset.

        Args:
            preset: string. A shipped name, or what keras-hub takes, such as the
                path of a folder.
            **kwargs: See the constructor.

        Returns:
            A `GPT3Tokenizer`.
        """
        preset = str(preset)
        check_preset(preset)
        if not preset_loader.is_shipped(preset):
            return super().from_preset(preset, **kwargs)
        vocabulary, merges = preset_loader.vocabulary_paths()
        return cls(vocabulary, merges, **kwargs)

    @classmethod
    def from_config(cls, config):
        # As in keras-hub: a saved config must not name files to be read.
        for name in ("vocabulary", "merges"):
            if isinstance(config.get(name), str):
                raise ValueError(
                    f"A saved config must not hold the path of `{name}`. "
                    f"Received: {name}={config[name]!r}. Load the vocabulary "
                    "with `load_assets`."
                )
        return super().from_config(config)

    # === Vocabulary ===

    def set_vocabulary_and_merges(self, vocabulary, merges):
        """Sets both from data or from paths; `None` for both clears them."""
        if (vocabulary is None) != (merges is None):
            missing = "vocabulary" if vocabulary is None else "merges"
            raise ValueError(
                "`vocabulary` and `merges` must be given together. Received: "
                f"{missing}=None. Pass both, or none and load them later."
            )
        sources = vocabulary, merges
        if vocabulary is None:
            self._encoding = None
        elif all(isinstance(source, (str, os.PathLike)) for source in sources):
            self._encoding = shared_byte_pair_encoding(*sources)
        else:
            self._encoding = BytePairEncoding(*sources)
        if self._encoding is not None:
            self._update_special_token_ids()

    @property
    def encoding(self):
        """The `BytePairEncoding` behind this layer."""
        if self._encoding is None:
            raise ValueError(
                "A vocabulary must be set before the tokenizer is used. "
                "Received: vocabulary=None. Pass `vocabulary` and `merges`, or "
                "use `GPT3Tokenizer.from_preset`."
            )
        return self._encoding

    @property
    def vocabulary(self):
        """A dict, token -> id, or `None`. Not to be changed."""
        return self._encoding and self._encoding.vocabulary

    @property
    def merges(self):
        """The merge rules, a list of strings, or `None`. Not to be changed."""
        return self._encoding and self._encoding.merges

    def get_vocabulary(self):
        """Lists the tokens, in the order of their ids."""
        vocabulary = self.encoding.vocabulary
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def vocabulary_size(self):
        """Counts the ids."""
        return self.encoding.vocabulary_size

    def id_to_token(self, id):
        """Looks up the token of an id, spelled in GPT-2's byte alphabet."""
        return self.encoding.id_to_token(id)

    def token_to_id(self, token):
        """Looks up the id of a token, spelled in GPT-2's byte alphabet."""
        return self.encoding.token_to_id(token)

    # === Tokenization ===

    def tokenize(self, inputs):
        """Turns strings into token ids. See the class for the forms."""
        encode = functools.partial(
            self.encoding.encode_batch,
            split_special_tokens=self.split_special_tokens,
        )
        if in_graph():
            return encode_in_graph(encode, inputs, self.compute_dtype)
        texts, batched = to_texts(inputs)
        ids = encode(texts)
        return ids if batched else np.array(ids[0], self.compute_dtype)

    def encode_batch(self, texts, split_special_tokens=None):
        """Turns many strings into lists of token ids, on all cores.

        Args:
            texts: list of strings.
            split_special_tokens: bool or None. Whether `<|endoftext|>` in a
                text is plain text. Defaults to `None`, as constructed.

        Returns:
            A list of lists of int.
        """
        if split_special_tokens is None:
            split_special_tokens = self.split_special_tokens
        return self.encoding.encode_batch(
            texts, split_special_tokens=split_special_tokens
        )

    def encode_to_numpy(self, text, split_special_tokens=None):
        """Turns one text into an array of token ids, fit for many threads.

        Args:
            text: string.
            split_special_tokens: bool or None. See `encode_batch`. Defaults to
                `None`, as constructed.

        Returns:
            An integer array `(length,)`. Not to be written to.
        """
        if split_special_tokens is None:
            split_special_tokens = self.split_special_tokens
        return self.encoding.encode_to_numpy(
            text, split_special_tokens=split_special_tokens
        )

    def detokenize(self, inputs):
        """Turns token ids into strings.

        Args:
            inputs: int, list of int, list of such lists, integer array or
                tensor `(length,)` or `(batch, length)`, or ragged tensor.

        Returns:
            A str, or a list of strings for a batch; a string tensor in a graph.

        Raises:
            ValueError: An id is outside the vocabulary.
        """
        if in_graph():
            return decode_in_graph(self.encoding.decode, inputs)
        sequences, batched = to_id_sequences(inputs)
        texts = [self.encoding.decode(ids) for ids in sequences]
        return texts if batched else texts[0]

    def call(self, inputs):
        try:
            return self.tokenize(inputs)
        except ValueError as error:
            # Else Keras adds lines of argument values, whole texts included.
            error._keras_call_info_injected = True
            raise

    def compute_output_spec(self, inputs):
        shape = (*inputs.shape, None)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    # === Config ===

    def save_assets(self, dir_path):
        """Writes `vocabulary.json` and `merges.txt` into a folder."""
        path = os.path.join(dir_path, VOCABULARY_FILE)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.encoding.vocabulary, file)
        path = os.path.join(dir_path, MERGES_FILE)
        with open(path, "w", encoding="utf-8") as file:
            # GPT-2's own reader drops the first line unseen.
            file.write("\n".join(["#version: 0.2", *self.encoding.merges, ""]))

    def load_assets(self, dir_path):
        """Reads `vocabulary.json` and `merges.txt` from a folder."""
        self.set_vocabulary_and_merges(
            os.path.join(dir_path, VOCABULARY_FILE),
            os.path.join(dir_path, MERGES_FILE),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "split_special_tokens": self.split_special_tokens,
        }
