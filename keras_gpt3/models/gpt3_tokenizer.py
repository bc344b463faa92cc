"""GPT-3's tokenizer; in a TensorFlow graph it runs a Python function."""

import functools
import json
import os
import re

import keras
import numpy as np
from keras_hub.tokenizers import Tokenizer

from keras_gpt3 import preset_loader
from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.tokenizer_files import TokenizerFiles
from keras_gpt3.converters.tokenizer_files import write_tokenizer
from keras_gpt3.converters.tokenizer_json import check_merges
from keras_gpt3.converters.tokenizer_json import damaged
from keras_gpt3.converters.tokenizer_json import merges_text
from keras_gpt3.models.presets.checkpoint_tokenizer import (
    read_checkpoint_tokenizer,
)
from keras_gpt3.models.presets.preset_files import damage_named
from keras_gpt3.models.presets.preset_registry import known_presets
from keras_gpt3.models.presets.preset_resolution import CHECKPOINT
from keras_gpt3.models.presets.preset_resolution import SAVED
from keras_gpt3.models.presets.preset_resolution import resolve_preset
from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding
from keras_gpt3.tokenization.byte_pair_encoding import shared_byte_pair_encoding
from keras_gpt3.tokenization.tokenizer_inputs import decode_in_graph
from keras_gpt3.tokenization.tokenizer_inputs import encode_in_graph
from keras_gpt3.tokenization.tokenizer_inputs import in_graph
from keras_gpt3.tokenization.tokenizer_inputs import to_id_sequences
from keras_gpt3.tokenization.tokenizer_inputs import to_texts
from keras_gpt3.tokenization.vocabulary import first_merges

END_OF_TEXT = "<|endoftext|>"
# keras-hub's file names, so that its loaders find them.
VOCABULARY_FILE = "vocabulary.json"
MERGES_FILE = "merges.txt"
_NUM_RULES = re.compile(r"#version: .* rules: (\d{1,9})")


@keras.saving.register_keras_serializable(package="keras_gpt3")
class GPT3Tokenizer(Tokenizer):
    """GPT-2's tokenizer: strings to exactly its token ids, and back.

    GPT-3 keeps GPT-2's byte-level byte-pair encoding (section 2.1). A string
    gives an int32 array, a list of strings a list of lists of int. Inside
    `tf.data` and `tf.function` a scalar gives an int32 tensor `(length,)` and
    a batch a `tf.RaggedTensor` `(batch, None)`.

    Args:
        vocabulary: dict, or path. Token -> id with tokens in GPT-2's byte
            alphabet, or such a JSON file. Defaults to `None`: to be loaded.
        merges: list of strings, or path. Merge rules, the earliest first, or a
            file with one a line. Defaults to `None`: to be loaded.
        split_special_tokens: bool. Whether special tokens in a text are
            ordinary text. Defaults to `False`.
        dtype: string. `"int32"` or `"int64"`. Defaults to `"int32"`.
        special_tokens: list of strings. Tokens that are cut out of a text
            before its words are split, besides the next three. Defaults to
            `()`.
        start_token: string. Stands before texts where a preprocessor has
            `add_start_token`. Defaults to `"<|endoftext|>"`.
        end_token: string. Ends documents and answers. Defaults to
            `"<|endoftext|>"`.
        pad_token: string. Fills rows up. Defaults to `"<|endoftext|>"`.
        **kwargs: Keyword arguments of `keras_hub.tokenizers.Tokenizer`.

    Call arguments:
        inputs: string, list of strings, or array or tensor of strings `()` or
            `(batch,)`.

    Raises:
        ValueError: If the vocabulary and the merges do not fit together, or
            lack a special token.

    Example:

    ```python
    import keras_gpt3

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    tokenizer(["Hello world", "Bye"])  # [[15496, 995], [3886, 68]]
    tokenizer.detokenize([15496, 995])  # "Hello world"
    ```
    """

    backbone_cls = None
    presets = known_presets

    def __init__(
        self,
        vocabulary=None,
        merges=None,
        split_special_tokens=False,
        dtype="int32",
        special_tokens=(),
        start_token=END_OF_TEXT,
        end_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if self.compute_dtype not in ("int32", "int64"):
            raise ValueError(
                "dtype must be 'int32' or 'int64'. Received: "
                f"dtype={echoed(self.compute_dtype)}. Leave it out for int32."
            )
        self._encoding = None
        self.file_assets = [VOCABULARY_FILE, MERGES_FILE]
        self.split_special_tokens = split_special_tokens
        roles = {
            "start_token": start_token,
            "end_token": end_token,
            "pad_token": pad_token,
        }
        for name, token in roles.items():
            self._add_special_token(token, name)
        self._special_tokens = tuple(
            dict.fromkeys([*roles.values(), *special_tokens])
        )
        self.set_vocabulary_and_merges(vocabulary, merges)
        self.built = True  # It has no weights; a model's `quantize` asks.

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Load the tokenizer of a preset.

        Args:
            preset: string. A shipped name, a folder that `save_to_preset`
                wrote or one in Hugging Face's layout, or a handle such as
                `"hf://org/name"`.
            **kwargs: Arguments of `GPT3Tokenizer` that differ from the
                preset's.

        Returns:
            A `GPT3Tokenizer`.

        Raises:
            ValueError: If there is no such preset, or it has no tokenizer, or
                one that does not split texts as GPT-2's.
        """
        preset = resolve_preset(preset, load_weights=False)
        if preset.format == CHECKPOINT:
            files = read_checkpoint_tokenizer(preset)
            return cls.from_tokenizer_files(files, **kwargs)
        if preset.format == SAVED:
            with damage_named(preset):
                return super().from_preset(preset, **kwargs)
        vocabulary, merges = preset_loader.vocabulary_paths()
        return cls(vocabulary, merges, **kwargs)

    @classmethod
    def from_tokenizer_files(cls, files, **kwargs):
        """Build the tokenizer that the files of a checkpoint describe.

        Args:
            files: `TokenizerFiles`. What `read_tokenizer` returned.
            **kwargs: Arguments of `GPT3Tokenizer` that differ from the files'.

        Returns:
            A `GPT3Tokenizer`.
        """
        named = {
            "special_tokens": files.special_tokens,
            "start_token": files.start_token,
            "end_token": files.end_token,
            "pad_token": files.pad_token,
        }
        return cls(files.vocabulary, files.merges, **(named | kwargs))

    @classmethod
    def from_config(cls, config):
        # As in keras-hub: a saved config must not name files to be read.
        for name in ("vocabulary", "merges"):
            if isinstance(config.get(name), str):
                raise ValueError(
                    f"A saved config must not hold the path of {name}. "
                    f"Received: {name}={echoed(config[name])}. Load the "
                    "vocabulary with `load_assets`."
                )
        return super().from_config(config)

    # === Vocabulary ===

    def set_vocabulary_and_merges(self, vocabulary, merges):
        """Set both from data or from paths; `None` for both clears them.

        Args:
            vocabulary: dict, or path. Token -> id with tokens in GPT-2's byte
                alphabet, or such a JSON file.
            merges: list of strings, or path. Merge rules, the earliest first,
                or a file with one a line.

        Raises:
            ValueError: If only one is given, or they do not fit together.
        """
        if (vocabulary is None) != (merges is None):
            missing = "vocabulary" if vocabulary is None else "merges"
            raise ValueError(
                "vocabulary and merges must be given together. Received: "
                f"{missing}=None. Pass both, or none and load them later."
            )
        sources = vocabulary, merges
        if vocabulary is None:
            self._encoding = None
        elif all(isinstance(source, (str, os.PathLike)) for source in sources):
            self._encoding = shared_byte_pair_encoding(
                *sources, self._special_tokens
            )
        else:
            self._encoding = BytePairEncoding(*sources, self._special_tokens)
        if self._encoding is not None:
            self._update_special_token_ids()

    @property
    def encoding(self):
        """The `BytePairEncoding` of this layer."""
        if self._encoding is None:
            raise ValueError(
                "A vocabulary must be set before the tokenizer is used. "
                "Received: vocabulary=None. Pass vocabulary and merges, or "
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

    @property
    def special_tokens(self):
        """A list of all special tokens, those without a role among them."""
        return list(self._special_tokens)

    @property
    def special_token_ids(self):
        """A list of their ids, in the same order."""
        return [self.token_to_id(token) for token in self._special_tokens]

    def get_vocabulary(self):
        """List the tokens, in the order of their ids.

        Returns:
            A list of strings in GPT-2's byte alphabet.
        """
        vocabulary = self.encoding.vocabulary
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def vocabulary_size(self):
        """Count the ids.

        Returns:
            An int.
        """
        return self.encoding.vocabulary_size

    def id_to_token(self, id):
        """Look up the token of an id.

        Args:
            id: int. The id.

        Returns:
            A string in GPT-2's byte alphabet.

        Raises:
            ValueError: If the id is outside the vocabulary.
        """
        return self.encoding.id_to_token(id)

    def token_to_id(self, token):
        """Look up the id of a token.

        Args:
            token: string. The token, in GPT-2's byte alphabet.

        Returns:
            An int.

        Raises:
            ValueError: If the vocabulary has no such token.
        """
        return self.encoding.token_to_id(token)

    def with_first_merges(self, num_merges):
        """Make the tokenizer of the first merges alone, for a smaller model.

        The first merges of a trained byte-pair encoding are the ones that a
        smaller vocabulary would have got. With 8,000 of GPT-2's 50,000 English
        text has a fifth more tokens, and the output layer a sixth of the size.

        Args:
            num_merges: int. How many to keep.

        Returns:
            A `GPT3Tokenizer`. The ids of its merges and special tokens are its
            own, without gaps.

        Raises:
            ValueError: If there are fewer merges, or no vocabulary.

        Example:

        ```python
        import keras_gpt3

        tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
        small = tokenizer.with_first_merges(8000)
        small.vocabulary_size()  # 8257
        ```
        """
        vocabulary, merges = first_merges(
            self.encoding.vocabulary,
            self.encoding.merges,
            self._special_tokens,
            num_merges,
        )
        config = self.get_config() | {"name": None}
        return type(self)(vocabulary, merges, **config)

    # === Tokenization ===

    def tokenize(self, inputs):
        """Turn strings into token ids.

        Args:
            inputs: string, list of strings, or array or tensor of strings `()`
                or `(batch,)`.

        Returns:
            An integer array `(length,)` for a string, a list of lists of int
            for several; in a graph a tensor or a `tf.RaggedTensor`.
        """
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
        """Turn many strings into lists of token ids, on all cores.

        Args:
            texts: list of strings.
            split_special_tokens: bool or None. Whether special tokens in a
                text are plain text. Defaults to `None`, as constructed.

        Returns:
            A list of lists of int.
        """
        if split_special_tokens is None:
            split_special_tokens = self.split_special_tokens
        return self.encoding.encode_batch(
            texts, split_special_tokens=split_special_tokens
        )

    def encode_to_numpy(self, text, split_special_tokens=None):
        """Turn one text into an array of token ids, fit for many threads.

        Args:
            text: string.
            split_special_tokens: bool or None. Whether special tokens in the
                text are plain text. Defaults to `None`, as constructed.

        Returns:
            An integer array `(length,)`. Not to be written to.
        """
        if split_special_tokens is None:
            split_special_tokens = self.split_special_tokens
        return self.encoding.encode_to_numpy(
            text, split_special_tokens=split_special_tokens
        )

    def detokenize(self, inputs):
        """Turn token ids into strings.

        Args:
            inputs: int, list of ints, list of such lists, array or tensor. Ids,
                of shape `(length,)` or `(batch, length)`, or ragged.

        Returns:
            A string, or a list of strings for a batch; a string tensor in a
            graph.

        Raises:
            ValueError: If an id is outside the vocabulary.
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

    # === Files ===

    def save_assets(self, dir_path):
        """Write `vocabulary.json` and `merges.txt` into a folder.

        Args:
            dir_path: string or path. The folder, which exists.
        """
        path = os.path.join(dir_path, VOCABULARY_FILE)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.encoding.vocabulary, file)
        path = os.path.join(dir_path, MERGES_FILE)
        with open(path, "w", encoding="utf-8") as file:
            # A file that is cut between two rules shows it by their number.
            version, _, rules = merges_text(self.encoding.merges).partition(
                "\n"
            )
            file.write(f"{version} rules: {len(self.encoding.merges)}\n{rules}")

    def load_preset_assets(self, preset):
        """Read both files of a preset.

        Args:
            preset: string. A folder that `save_to_preset` wrote, or a handle.

        Raises:
            FileNotFoundError: If the preset lacks one of them.
        """
        try:
            super().load_preset_assets(preset)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                "A preset with a tokenizer must hold its files. Received: "
                f"preset={echoed(preset)}, without {VOCABULARY_FILE} or "
                f"{MERGES_FILE} in assets/tokenizer. Copy the whole folder "
                "that save_to_preset wrote, or pass preprocessor=None to "
                "from_preset."
            ) from error

    def load_assets(self, dir_path):
        """Read both from a folder, where neither must be cut short.

        Args:
            dir_path: string or path. The folder.

        Raises:
            ValueError: If a file is damaged, or ends too early.
        """
        merges = os.path.join(dir_path, MERGES_FILE)
        self.set_vocabulary_and_merges(
            os.path.join(dir_path, VOCABULARY_FILE), merges
        )
        with open(merges, encoding="utf-8") as file:
            stated = _NUM_RULES.fullmatch(file.readline().rstrip())
        if stated is None:  # Of an older version, or empty.
            check_merges(
                merges, self.merges, self.vocabulary, self._special_tokens
            )
        elif len(self.merges) != int(stated[1]):
            raise damaged(
                merges, f"{len(self.merges)} rules of {int(stated[1])}"
            )

    def export_to_transformers(self, path, add_start_token=False):
        """Write the files from which transformers loads this tokenizer.

        Args:
            path: string. An existing folder.
            add_start_token: bool. Whether it shall put the start token before
                each text. Defaults to `False`.

        Raises:
            ValueError: If special tokens in texts are ordinary text here.
        """
        if self.split_special_tokens:
            raise ValueError(
                "A tokenizer must know special tokens in texts to be exported. "
                "Received: split_special_tokens=True. Set it to False first."
            )
        files = TokenizerFiles(
            vocabulary=self.encoding.vocabulary,
            merges=self.encoding.merges,
            special_tokens=self._special_tokens,
            start_token=self.start_token,
            end_token=self.end_token,
            pad_token=self.pad_token,
            add_start_token=add_start_token,
        )
        write_tokenizer(path, files)

    # === Config ===

    def get_config(self):
        return {
            **super().get_config(),
            "split_special_tokens": self.split_special_tokens,
            "special_tokens": self.special_tokens,
            "start_token": self.start_token,
            "end_token": self.end_token,
            "pad_token": self.pad_token,
        }
