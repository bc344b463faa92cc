"""What users pass as prompts, brought to lists."""

import numpy as np
from keras import ops

from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import NO_PROMPTS
from keras_gpt3.ops.sequence_length_check import check_sequence_length
from keras_gpt3.ops.token_id_check import check_token_ids


def prompt_texts(inputs):
    """Brings prompts to a list of strings."""
    if isinstance(inputs, dict) and "token_ids" not in inputs:
        raise ValueError(
            "inputs must be a string or a list of strings. Received: a dict "
            f"with the keys {sorted(map(str, inputs))}. Pass the strings alone."
        )
    if isinstance(inputs, dict):
        raise ValueError(
            "inputs must be strings where a preprocessor is attached. "
            "Received: inputs=dict of ids. Set model.preprocessor = None "
            "to generate from ids."
        )
    # An array, or a tensor: on JAX, too, strings are TensorFlow's.
    if hasattr(inputs, "__array__"):
        inputs = np.asarray(inputs).tolist()
    is_single = isinstance(inputs, (str, bytes))
    if not is_single and not isinstance(inputs, (list, tuple)):
        raise ValueError(
            "inputs must be a string or a list of strings. Received: type="
            f"{type(inputs).__name__}. Pass the text to continue."
        )
    texts = [inputs] if is_single else list(inputs)
    if not texts:
        raise ValueError("0".join(NO_PROMPTS))
    # Tensors hold bytes; what is no UTF-8 among them the tokenizer refuses.
    texts = [
        text.decode("utf-8", "surrogateescape")
        if isinstance(text, bytes)
        else text
        for text in texts
    ]
    return texts, is_single


def prefix_ids(model, prefix):
    """Brings a prefix to token ids."""
    ids = np.asarray(prefix).tolist() if ops.is_tensor(prefix) else prefix
    if not isinstance(ids, (str, list, tuple, np.ndarray)):
        raise ValueError(
            "prefix must be a string or a list of token ids. Received: type="
            f"{type(ids).__name__}. Pass what the prompts start with."
        )
    if isinstance(prefix, str):
        if model.preprocessor is None:
            raise ValueError(
                "prefix must be token ids where no preprocessor is attached. "
                "Received: type=str. Attach a GPT3Preprocessor, or tokenize "
                "first."
            )
        (ids,) = model.preprocessor.prompt_ids([prefix])
    if not len(ids):
        raise ValueError("0".join(EMPTY_PROMPT))
    check_token_ids(ids, model.backbone.vocabulary_size, "prefix")
    # One position is left for an answer.
    check_sequence_length(len(ids) + 1, model.backbone.max_sequence_length)
    return list(ids)


def check_prefix(model, prefix):
    """Raises unless a prefix was made by a model."""
    if prefix is None or getattr(prefix, "model", None) is model:
        return
    raise ValueError(
        "prefix must be what this model's prefix(text) returned. Received: "
        f"type={type(prefix).__name__}. Call model.prefix first."
    )
