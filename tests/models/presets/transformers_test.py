"""What this package writes, as transformers reads it."""

import collections
import importlib.util
import pathlib

import numpy as np
import pytest
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3.models.presets.checkpoint_export import export_to_transformers
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("transformers") is None
        or importlib.util.find_spec("torch") is None,
        reason="needs torch, which make venv does not install; run on "
        "2026-11-25 with torch 2.13 and transformers 5.24",
    ),
    # torch and transformers warn of their own code.
    pytest.mark.filterwarnings("ignore"),
]
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures" / "checkpoints"
NAMES = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())


def load_with_transformers(folder):
    """The model, and what did not fit when it was loaded."""
    import transformers

    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    return model, {kind: names for kind, names in report.items() if names}


@pytest.mark.parametrize("name", NAMES)
def test_transformers_gets_the_same_logits(tmp_path, name):
    import torch

    model = GPT3.from_preset(FIXTURES / name, preprocessor=None)
    export_to_transformers(model, tmp_path, max_shard_size="20kB")
    theirs, misfits = load_with_transformers(tmp_path)
    assert misfits == {}
    token_ids = np.load(FIXTURES / name / "expected.npz")["token_ids"]
    with torch.no_grad():
        logits = theirs(torch.from_numpy(token_ids).long()).logits.numpy()
    # float32's rounding, in another order.
    ours = ops.convert_to_numpy(model(as_inputs(token_ids)))
    np.testing.assert_allclose(ours, logits, atol=1e-5)


def test_transformers_computes_gpt3_s_banded_layers(tmp_path):
    import torch

    model = small_model(max_sequence_length=96, num_layers=3)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        noise = generator.normal(0, 0.3, weight.shape)
        weight.assign(noise + ("gamma" in weight.path))
    export_to_transformers(model, tmp_path)
    theirs, misfits = load_with_transformers(tmp_path)
    assert misfits == {} and type(theirs).__name__ == "GPTNeoForCausalLM"
    prompts = generator.integers(1, 61, (4, 8))
    model.compile(sampler="greedy")
    inputs = as_inputs(prompts)
    ours = model.generate(inputs, max_length=72, stop_token_ids=None)
    found = theirs.generate(
        torch.tensor(prompts),
        attention_mask=torch.ones(4, 8, dtype=torch.long),
        max_length=72,
        do_sample=False,
    )
    ours = ops.convert_to_numpy(ours["token_ids"])
    np.testing.assert_array_equal(ours, found.numpy())
    assert len(np.unique(found[:, 8:])) > 5
    with torch.no_grad():
        logits = theirs(found).logits.numpy()
    # float32's rounding, in another order.
    ours = ops.convert_to_numpy(model(as_inputs(found.numpy())))
    np.testing.assert_allclose(ours, logits, atol=1e-5)


@pytest.mark.backend(
    "tensorflow",
    "jax",
    reason="PyTorch's beams run op by op for half a minute.",
)
def test_transformers_finds_the_same_beams(tmp_path):
    import torch

    backbone = small_backbone(
        attention_pattern=("dense",), max_sequence_length=24, num_layers=1
    )
    generator = np.random.default_rng(0)
    for weight in backbone.weights:
        noise = generator.normal(0, 0.4, weight.shape)
        weight.assign(noise + ("gamma" in weight.path))
    prompts = generator.integers(1, 61, (40, 4))
    endless = GPT3(backbone).beam_search(as_inputs(prompts), 16)
    counts = collections.Counter(
        i for beams in endless for i in beams[0].token_ids
    )
    ends = [i for i, _ in counts.most_common(2)]
    model = GPT3(
        backbone, special_token_ids={"eos_token_id": ends, "pad_token_id": 5}
    )
    export_to_transformers(model, tmp_path)
    theirs, _ = load_with_transformers(tmp_path)
    answers = model.beam_search(as_inputs(prompts), 16, length_penalty=0.0)
    lengths = set()
    for prompt, beams in zip(prompts, answers, strict=True):
        found = theirs.generate(
            torch.tensor(prompt[None]),
            attention_mask=torch.ones(1, 4, dtype=torch.long),
            max_length=16,
            num_beams=4,
            num_return_sequences=4,
            length_penalty=0.0,
            do_sample=False,
        )
        for ids, beam in zip(found.tolist(), beams, strict=True):
            ours = [*prompt.tolist(), *beam.token_ids]
            assert ours == ids[: len(ours)] and {*ids[len(ours) :]} <= {5}
            lengths.add(len(ours))
    assert len(lengths) > 4


def test_transformers_reads_texts_alike(tmp_path):
    import transformers

    model = small_text_model(attention_pattern=("dense",))
    export_to_transformers(model, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "A text<|endoftext|> of two."
    assert theirs(text).input_ids == model.preprocessor.tokenizer(text).tolist()
    assert load_with_transformers(tmp_path)[1] == {}
