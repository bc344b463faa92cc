"""Models that one backend saves and the other one loads.

`python -m tests.models.saved_models FOLDER` loads what `save_all` wrote and
writes what it found beside it.
"""

import pathlib
import sys

import keras
import numpy as np
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3.training import AdamW
from keras_gpt3.training import TokenClock
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_text_model

QUANTIZED = ("int8", "int4", "awq")
KINDS = (
    *("preset", "bfloat16", *QUANTIZED, "weights", "lora", "checkpoint"),
    "optimizer",
)
# Whose logits are as near as float32 is, and whose answers hence the same.
FLOAT32 = ("preset", "weights", "lora", "checkpoint")
PROMPTS = ["the cat", "hello 12"]


def known_kinds(backend=None):
    """Those that a backend, by default this process', can make and load."""
    # The package trains on two backends.
    trains = (backend or keras.config.backend()) != "torch"
    return KINDS if trains else KINDS[:-1]


def save_all(folder):
    """Saves a model of each kind, and what is true of it."""
    for kind in known_kinds():
        keras.utils.set_random_seed(1)
        _write_facts(folder / f"{kind}.npz", _save(kind, folder))


def load_all(folder):
    """Loads them under this process' backend; writes what is true then."""
    backend = keras.config.backend()
    for kind in known_kinds():
        if (folder / f"{kind}.npz").exists():
            path = folder / f"{kind}_{backend}.npz"
            _write_facts(path, _load(kind, folder))


def read_facts(path):
    """A dict of arrays; those of 16 bits as integers."""
    return dict(np.load(path))


def _save(kind, folder):
    path = str(folder / kind)
    if kind in ("preset", "bfloat16", *QUANTIZED):
        dtype = "bfloat16" if kind == "bfloat16" else None
        model = small_text_model(dtype=dtype)
        if kind == "awq":
            quantize(model, config=_calibration(model))
        elif kind in QUANTIZED:
            quantize(model, mode=kind)
        model.save_to_preset(path)
    elif kind == "checkpoint":
        model = small_text_model(attention_pattern=("dense",))
        model.export_to_transformers(path)
    elif kind == "weights":
        model = small_text_model()
        model.save_weights(path + ".weights.h5")
    elif kind == "lora":
        model = small_text_model()
        model.backbone.save_to_preset(path)
        model.backbone.enable_lora(2)
        for variable in model.backbone.trainable_variables:
            shape = variable.shape
            variable.assign(np.random.default_rng(0).normal(size=shape))
        model.backbone.save_lora_weights(path + ".lora.h5")
    else:
        model = small_text_model()
        clock = TokenClock(1e-2, 32, warmup_tokens=100, decay_tokens=1000)
        model.compile(AdamW(clock))
        model.fit(*small_batch(), verbose=0)
        model.save(path + ".keras")
    return model


def _load(kind, folder):
    path = str(folder / kind)
    if kind in ("preset", "bfloat16", *QUANTIZED, "checkpoint"):
        return GPT3.from_preset(
            path, dtype=kind if kind == "bfloat16" else None
        )
    if kind == "optimizer":
        return keras.saving.load_model(path + ".keras")
    model = small_text_model()
    if kind == "weights":
        model.load_weights(path + ".weights.h5")
    else:
        model.backbone.load_weights(path + "/model.weights.h5")
        model.backbone.load_lora_weights(path + ".lora.h5")
    return model


def _calibration(model):
    tokenizer = model.preprocessor.tokenizer
    return keras.quantizers.AWQConfig(
        ["hello world"],
        tokenizer,
        num_samples=1,
        sequence_length=LENGTH,
        num_grid_points=2,
    )


def _write_facts(path, model):
    """Writes weights, logits, ids of a text and state of the optimizer."""
    x, y = small_batch()
    facts = {f"weights/{v.path}": _bits(v) for v in model.weights}
    facts["logits"] = ops.convert_to_numpy(ops.cast(model(x), "float32"))
    if model.preprocessor is not None:
        tokenizer = model.preprocessor.tokenizer
        facts["ids"] = tokenizer("hello 12")
        facts["text"] = np.array(tokenizer.detokenize(facts["ids"]))
    if path.name.startswith(FLOAT32):
        facts |= _answers(model)
    if path.name.startswith("optimizer"):
        for number, variable in enumerate(model.optimizer.variables):
            facts[f"weights/optimizer/{number}"] = _bits(variable)
        model.fit(x, y, verbose=0)
        facts["logits one step on"] = ops.convert_to_numpy(model(x))
    np.savez(path, **facts)


def _answers(model):
    """Greedy answers, one by one and as a batch, and likelihoods."""
    model.compile(sampler="greedy")
    alone = [model.generate(prompt, max_length=12) for prompt in PROMPTS]
    scores = model.score(PROMPTS, [" sat", "345"])
    return {
        "answers": np.array(alone),
        "answers of a batch": np.array(model.generate(PROMPTS, max_length=12)),
        "answer in parts": np.array(
            "".join(model.stream(PROMPTS[0], max_length=12))
        ),
        "logits of answers": np.array([s.log_likelihood for s in scores]),
    }


def _bits(variable):
    # No numpy file knows bfloat16.
    array = ops.convert_to_numpy(variable)
    return array.view("uint16") if array.dtype.name == "bfloat16" else array


if __name__ == "__main__":
    load_all(pathlib.Path(sys.argv[1]))
