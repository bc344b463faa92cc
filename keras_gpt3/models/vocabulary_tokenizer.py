"""What a tokenizer knows: its vocabulary, its merges, its special tokens."""

import json
import os
import re

from keras_hub.tokenizers import Tokenizer

from keras_gpt3.converters.tokenizer_json import check_merges
from keras_gpt3.converters.tokenizer_json import damaged
from keras_gpt3.converters.tokenizer_json import merges_text
from keras_gpt3.echoed_value import echoed
from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding
from keras_gpt3.tokenization.byte_pair_encoding import shared_byte_pair_encoding

# keras-hub's file names, so that its loaders find them.
VOCABULARY_FILE = "vocabulary.json"
MERGES_FILE = "merges.txt"
_NUM_RULES = re.compile(r"#version: .* rules: (\d{1,9})")


class VocabularyTokenizer(Tokenizer):
    """A keras-hub tokenizer that holds a `BytePairEncoding`, or none as yet.

    Args:
        vocabulary: dict, or path, or `None`. See `GPT3Tokenizer`.
        merges: list of strings, or path, or `None`. See `GPT3Tokenizer`.
        special_tokens: iterable of str. Tokens that are cut out of texts,
            besides those with a role.
        roles: dict. `"start_token"`, `"end_token"` and `"pad_token"` -> token.
        **kwargs: See `keras_hub.tokenizers.Tokenizer`.

    Raises:
        ValueError: The vocabulary and the merges do not fit together, or lack
            a special token.

    Example:

    ```python
    from keras_gpt3 import preset_loader
    from keras_gpt3.models.vocabulary_tokenizer import VocabularyTokenizer

    roles = dict.fromkeys(("start_token", "end_token", "pad_token"), "!")
    paths = preset_loader.vocabulary_paths()
    tokenizer = VocabularyTokenizer(*paths, (), roles, dtype="int32")
    tokenizer.token_to_id("Ġthe")  # 262
    ```
    """

    def __init__(self, vocabulary, merges, special_tokens, roles, **kwargs):
        super().__init__(**kwargs)
        self.file_assets = [VOCABULARY_FILE, MERGES_FILE]
        self._encoding = None
        for name, token in roles.items():
            self._add_special_token(token, name)
        self._special_tokens = tuple(
            dict.fromkeys([*roles.values(), *special_tokens])
        )
        self.set_vocabulary_and_merges(vocabulary, merges)

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
            self._encoding = shared_byte_pair_encoding(
                *sources, self._special_tokens
            )
        else:
            self._encoding = BytePairEncoding(*sources, self._special_tokens)
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

    @property
    def special_tokens(self):
        """A list of all special tokens, those without a role among them."""
        return list(self._special_tokens)

    @property
    def special_token_ids(self):
        """A list of their ids, in the same order."""
        return [self.token_to_id(token) for token in self._special_tokens]

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

    # === Files ===

    def save_assets(self, dir_path):
        """Writes `vocabulary.json` and `merges.txt` into a folder."""
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
        """Reads both files of a preset.

        Args:
            preset: string. A folder, or a handle that keras-hub knows.

        Raises:
            FileNotFoundError: If the preset lacks one.
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
        """Reads `vocabulary.json` and `merges.txt` from a folder.

        Args:
            dir_path: path. The folder.

        Raises:
            ValueError: If they do not fit together, or one is cut short.
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
