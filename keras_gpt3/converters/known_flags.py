"""Keys of a config.json that every family has, by what they may say."""

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
# list and a key that is not there say the same where None is asked for.
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
