"""Checks of what `GPT3.compile` is given."""

import functools
import inspect

import keras
import keras_hub

from keras_gpt3.argument_checks import echoed
from keras_gpt3.argument_checks import log_once


def checked_optimizer(optimizer):
    """Find the optimizer, and raise if the step cannot drive it."""
    if optimizer is None or isinstance(optimizer, str) and optimizer == "auto":
        return optimizer
    from keras_gpt3.training.step.loss_scaling import check_optimizer

    optimizer = keras.optimizers.get(optimizer)
    check_optimizer(optimizer)
    return optimizer


def check_loss_weights(loss, loss_weights):
    """Raise where Keras would ignore the weights of losses."""
    is_own = isinstance(loss, str) and loss == "auto"
    if loss_weights is not None and (loss is None or is_own):
        raise ValueError(
            "loss_weights must be None without a loss of your own. Received: "
            f"loss_weights={echoed(loss_weights)}. Leave them out, or pass a "
            "loss."
        )


def of_logits(identifiers, module):
    """Turn names of losses or metrics into those that take logits.

    A model returns logits, which Keras' cross-entropies by name would take for
    probabilities.
    """
    one_of_logits = functools.partial(_of_logits, module=module)
    return keras.tree.map_structure(one_of_logits, identifiers)


def _of_logits(identifier, module):
    """The same of a single one; an object is the user's, and stays."""
    if getattr(identifier, "from_logits", None) is False:
        log_once(
            "A loss or metric takes the model's logits for probabilities. Give "
            f"from_logits=True to {type(identifier).__name__}."
        )
    name = identifier
    if inspect.isfunction(name) or inspect.isclass(name):  # As good as a name.
        found = getattr(module, name.__name__, None)
        name = name.__name__ if found is name else None
    if not isinstance(name, str) or name in ("auto", "acc"):
        return identifier
    # Keras would choose among cross-entropies: labels of tokens are ids.
    is_any = name in ("crossentropy", "ce")
    found = module.get("sparse_categorical_crossentropy" if is_any else name)
    kind = type(found)
    if inspect.isfunction(found):
        words = found.__name__.split("_")
        kind = getattr(module, "".join(map(str.capitalize, words)), kind)
    if "from_logits" in inspect.signature(kind).parameters:
        return kind(from_logits=True, name=name)
    return identifier


def log_costs(step):
    """Warn of a step that takes memory or time which it need not."""
    if not step.is_fused:
        log_once(
            "A loss or metrics of your own need the logits of all tokens at "
            "once: batch x length x vocabulary_size floats. Leave them out of "
            "compile() to save that memory."
        )
    if step.pipeline_stages > 1 and step.micro_batch_size is None:
        log_once(
            "A pipeline without micro-batches has one stage at work at a time. "
            "Give micro_batch_size to compile() so that all are."
        )


def checked_sampler(sampler):
    """Find the sampler that `compile` was given, or that of a name."""
    sampler = keras_hub.samplers.get(sampler)
    if not isinstance(sampler, keras_hub.samplers.Sampler):
        raise ValueError(
            "sampler must be a keras_hub.samplers.Sampler or the name of one. "
            f"Received: sampler={echoed(sampler)}. Use 'greedy', 'top_k', "
            "'top_p', 'random', 'beam' or 'contrastive'."
        )
    return sampler
