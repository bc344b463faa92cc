"""What an export does with token ids. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.decode_loop import mask_up_to_stop
from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.generation.logit_filters import rule_out_unknown
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.sequence_checks import check_context
from keras_gpt3.ops.sequence_checks import check_token_ids


def token_endpoints(backbone):
    """Lists the functions of token ids and what they take."""
    token_ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
    return {
        "logits": (logits_function(backbone), [token_ids]),
        "generate_tokens": (
            generate_function(backbone),
            [
                token_ids,
                tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
                tf.TensorSpec((), tf.float32, name="temperature"),
                tf.TensorSpec((), tf.int32, name="top_k"),
                tf.TensorSpec((), tf.int32, name="seed"),
                tf.TensorSpec((), tf.int32, name="end_token_id"),
            ],
        ),
    }


def logits_function(backbone):
    """Makes the function from token ids to logits."""

    def logits(token_ids):
        token_ids = check_token_ids(token_ids, backbone.vocabulary_size)
        token_ids = check_context(token_ids, backbone.max_sequence_length)
        mask = tf.ones_like(token_ids, tf.bool)
        hidden = backbone({"token_ids": token_ids, "padding_mask": mask})
        return {"logits": tf.cast(backbone.logits(hidden), tf.float32)}

    return logits


def generate_function(backbone):
    """Makes the function from token ids to token ids."""

    def generate_tokens(
        token_ids, padding_mask, temperature, top_k, seed, end_token_id
    ):
        token_ids = _checked_prompt(token_ids, padding_mask, backbone)
        token_ids, padding_mask = continue_tokens(
            backbone,
            token_ids,
            padding_mask,
            end_token_id,
            temperature=temperature,
            top_k=top_k,
            seed=seed,
        )
        return {"token_ids": token_ids, "padding_mask": padding_mask}

    return generate_tokens


def continue_tokens(
    backbone, token_ids, padding_mask, end_token_id, **settings
):
    """Continues right-padded prompts, through the cache."""

    def choose(logits, index):
        return choose_token(logits, index, **settings)

    state = decode_prompts(
        backbone, token_ids, padding_mask, end_token_id, choose
    )
    answer = state.token_ids
    return answer, mask_up_to_stop(answer, padding_mask, [end_token_id])


def decode_prompts(
    backbone,
    token_ids,
    padding_mask,
    end_token_id,
    choose,
    watch=None,
    watched=(),
    num_known=None,
):
    """Continues right-padded prompts until all rows have ended."""
    length = tf.shape(token_ids)[1]
    lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
    _, cache = backbone.prefill(token_ids, length, tf.reduce_min(lengths))
    return decode_until(
        length,
        scores_function(backbone, num_known),
        choose,
        start_decoding(token_ids, padding_mask, cache, watched),
        padding_mask,
        [end_token_id],
        watch,
    )


def scores_function(backbone, num_known=None):
    """Makes the function from a position to its scores, through a cache."""

    def next_logits(token_ids, cache, index):
        states, cache = backbone.decode_position(token_ids, cache, index)
        return rule_out_unknown(backbone.logits(states), num_known), cache

    return next_logits


def _checked_prompt(token_ids, padding_mask, backbone):
    """The prompt behind its checks, with zeros for padding."""
    token_ids = tf.where(padding_mask, token_ids, 0)
    token_ids = check_token_ids(token_ids, backbone.vocabulary_size)
    token_ids = check_context(token_ids, backbone.max_sequence_length)
    length = tf.shape(padding_mask)[1]
    prompt_lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
    token_ids = assert_in_graph(
        token_ids,
        tf.reduce_all(prompt_lengths > 0),
        "A prompt must have at least one token. Received: length=",
        tf.reduce_min(prompt_lengths),
        ". Start with the end-of-text id to start from nothing.",
    )
    on_the_right = tf.sequence_mask(prompt_lengths, length)
    return assert_in_graph(
        token_ids,
        tf.reduce_all(padding_mask == on_the_right),
        "Padding must stand behind the prompt. Received: padding_mask=",
        padding_mask,
        ". Pad on the right.",
    )
