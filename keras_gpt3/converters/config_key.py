"""The keys of a config.json: how each is read, and which may be ignored."""

import dataclasses
import math
import numbers

from keras_gpt3.argument_checks import echoed

# Of a key that has to be there.
REQUIRED = "required"


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_size(value):
    return _is_integer(value) and value >= 1


def _is_number(value):
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value) and value >= 0


# Kind -> what it requires, in words, and the test of a value.
_KINDS = {
    "size": ("an integer of at least 1", _is_size),
    "optional size": (
        "an integer of at least 1, or null",
        lambda value: value is None or _is_size(value),
    ),
    "number": ("a finite number of at least 0", _is_number),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "text": ("a string", lambda value: isinstance(value, str)),
    "list": (
        "a list, or null",
        lambda value: value is None or isinstance(value, list),
    ),
}


@dataclasses.dataclass(frozen=True)
class ConfigKey:
    """One key of a config.json that says what a model computes."""

    name: str
    kind: str
    default: object = REQUIRED
    alias: str | None = None

    @property
    def names(self):
        """The names that the key may have."""
        return (self.name,) if self.alias is None else (self.name, self.alias)

    def read(self, config):
        """Read and check the value."""
        found = {name: config[name] for name in self.names if name in config}
        for name, value in found.items():
            self._check(name, value)
        values = list(found.values())
        if values and values[0] != values[-1]:
            raise ValueError(
                f"{self.name} and {self.alias} in config.json must agree. "
                f"Received: {self.name}={echoed(values[0])}, "
                f"{self.alias}={echoed(values[-1])}. Remove the wrong one."
            )
        if not values and self.default is REQUIRED:
            raise ValueError(
                f"config.json must hold {self.name}. Received: keys="
                f"{sorted(config)}. Add {self.name} with the value of the "
                "model."
            )
        return values[0] if values else self.default

    def _check(self, name, value):
        asked, fits = _KINDS[self.kind]
        if not fits(value):
            raise ValueError(
                f"{name} in config.json must be {asked}. Received: "
                f"{name}={echoed(value)}. Write the value that the model was "
                "trained with."
            )


# Not in the arithmetic of a forward pass without dropout.
HARMLESS_KEYS = frozenset(
    """
    _attn_implementation _attn_implementation_autoset _commit_hash
    _flash_attn_2_enabled _name_or_path _num_labels architectures
    assistant_confidence_threshold assistant_lookbehind attn_implementation
    bad_words_ids begin_suppress_tokens bos_token_id chunk_size_feed_forward
    cross_attention_hidden_size decoder_start_token_id diversity_penalty
    do_sample dtype early_stopping encoder_no_repeat_ngram_size
    encoder_repetition_penalty eos_token_id epsilon_cutoff eta_cutoff
    exponential_decay_length_penalty finetuning_task forced_bos_token_id
    forced_eos_token_id gradient_checkpointing id2label initializer_range
    is_decoder label2id length_penalty max_length max_new_tokens min_length
    model_type name_or_path no_repeat_ngram_size num_assistant_tokens
    num_assistant_tokens_schedule num_beam_groups num_beams num_labels
    num_return_sequences output_attentions output_hidden_states output_past
    output_scores pad_token_id predict_special_tokens prefix
    problem_type remove_invalid_values repetition_penalty return_dict
    return_dict_in_generate sep_token_id suppress_tokens target_lookbehind
    task_specific_params temperature tf_legacy_loss tie_last_hidden_states
    tokenizer_class top_k top_p torch_dtype torchscript transformers_version
    typical_p use_bfloat16 use_cache use_return_dict xla_device
    """.split()
)
SUMMARY_KEYS = frozenset(
    f"summary_{name}"
    for name in (
        "activation",
        "first_dropout",
        "proj_to_labels",
        "type",
        "use_proj",
    )
)
# With another value a model computes something else. None, an empty dict or
# list and a key that is not there say the same where None is required.
REQUIRED_VALUES = {
    "add_cross_attention": False,
    "auto_map": None,
    "is_encoder_decoder": False,
    "per_layer_config": None,
    "pruned_heads": None,
    "quantization_config": None,
    "tie_encoder_decoder": False,
    "tie_word_embeddings": True,
    "transformers_weights": None,
}
