"""GPT-3's preprocessor: strings to padded ids, also in TensorFlow graphs."""

import keras
import numpy as np
from keras_hub.models import CausalLMPreprocessor
from keras_hub.tokenizers import Tokenizer

from keras_gpt3 import preset_loader
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from keras_gpt3.models.presets.checkpoint_tokenizer import checkpoint_context
from keras_gpt3.models.presets.checkpoint_tokenizer import (
    read_checkpoint_tokenizer,
)
from keras_gpt3.models.presets.preset_files import damage_named
from keras_gpt3.models.presets.preset_registry import known_presets
from keras_gpt3.models.presets.preset_resolution import CHECKPOINT
from keras_gpt3.models.presets.preset_resolution import SAVED
from keras_gpt3.models.presets.preset_resolution import resolve_preset


@keras.saving.register_keras_serializable(package="keras_gpt3")
class GPT3Preprocessor(CausalLMPreprocessor):
    """The way from strings to what `GPT3` trains on and generates from.

    A call gives `(x, y, sample_weight)`: `x` a dict of `token_ids` and
    `padding_mask`, `y` the next token of each position, and weights that are
    `False` on padding. Each training document ends with the end of text, unless
    it is longer and cut. There is no start token, unless a checkpoint's own
    tokenizer adds one (OPT's does): GPT-3 reads documents that follow each
    other, with the end of text between them (section 2.2).

    Args:
        tokenizer: `GPT3Tokenizer`.
        sequence_length: int. Length of what it gives, which should be the
            model's context. Defaults to 2048.
        add_start_token: bool. Whether to begin each text with the start
            token. Defaults to `False`.
        add_end_token: bool. Whether to end each training document with the
            end of text. Defaults to `True`.
        **kwargs: Keyword arguments of `keras_hub.models.CausalLMPreprocessor`.

    Call arguments:
        x: string, list of strings, or string tensor `()` or `(batch,)`.
        y: None. The labels come from `x`.
        sample_weight: None. The weights come from `x`.
        sequence_length: int. Overrides the constructor's.

    Returns:
        A tuple of a dict of `token_ids` int32 and `padding_mask` bool, the
        labels int32 and the weights bool, all `(batch, sequence_length)`, or
        `(sequence_length,)` for one string. `generate_preprocess` gives only
        the dict, `generate_postprocess` turns it back into strings.

    Raises:
        ValueError: If a prompt given to `generate_preprocess` has no token,
            or more than `sequence_length`; inside a graph the latter is cut.

    Example:

    ```python
    import keras_gpt3

    preprocessor = keras_gpt3.GPT3Preprocessor.from_preset(
        "gpt3_small_en", sequence_length=8
    )
    x, y, sample_weight = preprocessor(["Hello world", "Bye"])
    prompt = preprocessor.generate_preprocess("Hello")
    preprocessor.generate_postprocess(prompt)  # "Hello"
    ```
    """

    backbone_cls = None
    presets = known_presets
    tokenizer_cls = GPT3Tokenizer

    def __init__(
        self,
        tokenizer,
        sequence_length=2048,
        add_start_token=False,
        add_end_token=True,
        **kwargs,
    ):
        super().__init__(
            tokenizer,
            sequence_length=sequence_length,
            add_start_token=add_start_token,
            add_end_token=add_end_token,
            **kwargs,
        )

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Load the preprocessor of a preset.

        Args:
            preset: string. A shipped name, a folder that `save_to_preset`
                wrote or one in Hugging Face's layout, or a handle such as
                `"hf://org/name"`.
            **kwargs: Arguments of `GPT3Preprocessor`. For a shipped name and
                Hugging Face's layout `sequence_length` defaults to the
                model's context, and `add_start_token` to what the files say.

        Returns:
            A `GPT3Preprocessor`.

        Raises:
            ValueError: If there is no such preset, or it has no tokenizer, or
                one that does not split texts as GPT-2's.
        """
        preset = resolve_preset(preset, load_weights=False)
        if preset.format == CHECKPOINT:
            return cls._from_checkpoint(preset, **kwargs)
        if preset.format == SAVED:
            with damage_named(preset):
                preprocessor = super().from_preset(preset, **kwargs)
                if not isinstance(preprocessor.tokenizer, Tokenizer):
                    raise TypeError("its preprocessor has no tokenizer")
                return preprocessor
        backbone = preset_loader.load_shipped_preset(preset)["backbone"]
        return cls(
            **{
                "tokenizer": cls.tokenizer_cls.from_preset(preset),
                "sequence_length": backbone["max_sequence_length"],
                **kwargs,
            }
        )

    @classmethod
    def _from_checkpoint(cls, folder, **kwargs):
        """Read the tokenizer of a folder in Hugging Face's layout."""
        files = read_checkpoint_tokenizer(folder)
        kwargs.setdefault("add_start_token", files.add_start_token)
        if "tokenizer" not in kwargs:
            tokenizer = cls.tokenizer_cls.from_tokenizer_files(files)
            kwargs["tokenizer"] = tokenizer
        if "sequence_length" not in kwargs:
            kwargs["sequence_length"] = checkpoint_context(folder)
        return cls(**kwargs)

    def export_to_transformers(self, path):
        """Write the files from which transformers loads the tokenizer.

        Args:
            path: string. An existing folder.
        """
        self.tokenizer.export_to_transformers(path, self.add_start_token)

    def _call_python(self, x, y=None, sample_weight=None, sequence_length=None):
        # The parent puts an end of text after a document that it cuts, and
        # would teach the model that documents end where the context does.
        if not self.built:
            self.build(None)
        if sequence_length is None:
            sequence_length = self.sequence_length
        ids = self.tokenizer(x)
        if self.add_end_token:
            ids = _append(ids, self.tokenizer.end_token_id)
        token_ids, padding_mask = self.packer(
            ids,
            sequence_length=sequence_length + 1,  # One more, for the labels.
            add_start_value=self.add_start_token,
            add_end_value=False,
        )
        inputs = {
            "token_ids": token_ids[..., :-1],
            "padding_mask": padding_mask[..., :-1],
        }
        return keras.utils.pack_x_y_sample_weight(
            inputs, token_ids[..., 1:], padding_mask[..., 1:]
        )

    def _generate_preprocess_python(self, x, sequence_length=None):
        # The parent adds a start token here whatever `add_start_token` says,
        # and cuts long prompts in silence.
        if not self.built:
            self.build(None)
        if sequence_length is None:
            sequence_length = self.sequence_length
        ids = self.tokenizer.tokenize(x)
        if isinstance(ids, (list, np.ndarray)):  # In a graph it is a tensor.
            self._check_prompts(ids, sequence_length)
        token_ids, padding_mask = self.packer(
            ids,
            sequence_length=sequence_length,
            add_start_value=self.add_start_token,
            add_end_value=False,
        )
        return {"token_ids": token_ids, "padding_mask": padding_mask}

    def prompt_ids(self, texts, add_start_token=True):
        """Encode prompts for `generate`.

        Args:
            texts: list of strings.
            add_start_token: bool. Whether to put the start token before each,
                if the preprocessor adds one at all. Defaults to `True`.

        Returns:
            A list with a list of ints for each text.

        Raises:
            ValueError: If a text is not a string, or not valid Unicode.
        """
        ids = self.tokenizer.tokenize(texts)
        if not (self.add_start_token and add_start_token):
            return ids
        return [[self.tokenizer.start_token_id, *prompt] for prompt in ids]

    def _check_prompts(self, ids, sequence_length):
        """Check that each prompt has at least one token and fits."""
        prompts = ids if isinstance(ids, list) else [ids]
        lengths = [len(prompt) + self.add_start_token for prompt in prompts]
        if min(lengths, default=0) < 1:
            raise ValueError("0".join(EMPTY_PROMPT))
        if max(lengths) > sequence_length:
            raise ValueError(
                "A prompt must fit sequence_length. Received: a prompt of "
                f"{max(lengths)} tokens, sequence_length={sequence_length}. "
                "Shorten the prompt or raise `max_length` (`sequence_length`)."
            )


def _append(ids, token_id):
    """Put an id after each document, in whatever form the ids come."""
    if isinstance(ids, list):
        return [[*document, token_id] for document in ids]
    if isinstance(ids, np.ndarray):
        return np.append(ids, np.array(token_id, ids.dtype))
    import tensorflow as tf  # In a graph.

    token_id = tf.cast(token_id, ids.dtype)
    if isinstance(ids, tf.RaggedTensor):
        return tf.concat([ids, tf.fill((ids.nrows(), 1), token_id)], axis=1)
    return tf.concat([ids, token_id[tf.newaxis]], axis=0)
