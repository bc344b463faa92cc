import re

import numpy as np
import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.name_match import WeightRule
from keras_gpt3.converters.name_match import match_names
from tests.converters.small_configs import SMALLEST

# === Name match ===


PREFIXES = [
    ("gpt2", "transformer."),
    ("gpt2", ""),
    ("gpt_neo", "transformer."),
    ("gpt_neo", ""),
    ("opt", "model.decoder."),
    ("opt", "decoder."),
    ("opt", ""),
]
GPT2 = FAMILIES["gpt2"]


def arguments_of(family):
    return family.backbone_arguments(SMALLEST[family.model_type])


def stored_shapes(family, prefix="transformer."):
    return {
        prefix + name: rule.tensor_shape
        for rule in family.weight_rules(arguments_of(family))
        for name in rule.tensor_names
    }


def match(shapes, family=GPT2):
    return match_names(family, arguments_of(family), shapes)


@pytest.mark.parametrize(("model_type", "prefix"), PREFIXES)
def test_tensors_are_found_under_every_prefix(model_type, prefix):
    family = FAMILIES[model_type]
    shapes = stored_shapes(family, prefix)
    found = match(shapes, family)
    names = [name for rule in found.rules for name in rule.tensor_names]
    assert sorted(names) == sorted(shapes)
    assert found.token_embedding.startswith(prefix)
    assert shapes[found.token_embedding] == (53, 24)
    assert found.tied_head is None


def test_a_head_of_the_embedding_s_shape_is_allowed():
    shapes = stored_shapes(GPT2) | {"lm_head.weight": (53, 24)}
    assert match(shapes).tied_head == "lm_head.weight"


def test_a_head_of_another_shape_raises():
    shapes = stored_shapes(GPT2) | {"lm_head.weight": (54, 24)}
    message = (
        "A tensor must have the shape that config.json requires, "
        "lm_head.weight (53, 24). Received: lm_head.weight of shape (54, 24)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        match(shapes)


def test_masks_are_passed_over():
    masks = {
        "transformer.h.0.attn.bias": (1, 1, 80, 80),
        "transformer.h.0.attn.masked_bias": (),
    }
    assert match(stored_shapes(GPT2) | masks) == match(stored_shapes(GPT2))


@pytest.mark.parametrize(
    "name", ["transformer.wte.weight", "transformer.h.1.attn.c_attn.bias"]
)
def test_a_missing_tensor_is_named(name):
    shapes = stored_shapes(GPT2)
    del shapes[name]
    message = (
        "A checkpoint of gpt2 must hold every tensor that its config.json "
        f"requires. Received: no {name}. Look whether a file is missing or "
        "config.json belongs to another model."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        match(shapes)


@pytest.mark.parametrize(
    "name",
    [
        "transformer.h.2.ln_1.weight",
        "transformer.h.0.attn.c_attn.scale",
        # Of a file whose other tensors have a prefix.
        "h.0.ln_1.weight",
        "h.0.attn.bias",
        "score.weight",
    ],
)
def test_an_unexpected_tensor_is_named(name):
    shapes = stored_shapes(GPT2) | {name: (24,)}
    message = (
        "A checkpoint of gpt2 must hold no tensor that its config.json does "
        f"not require. Received: {name}. Look whether config.json belongs to "
        "another model."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        match(shapes)


def test_a_misshapen_tensor_is_named_with_both_shapes():
    # As a kernel that is stored (out, in).
    name = "transformer.h.0.mlp.c_fc.weight"
    shapes = stored_shapes(GPT2) | {name: (96, 24)}
    message = (
        "A tensor must have the shape that config.json requires, "
        f"{name} (24, 96). Received: {name} of shape (96, 24). Look whether "
        "config.json belongs to another model."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        match(shapes)


def test_a_bias_that_the_config_switches_off_is_unexpected():
    family = FAMILIES["gpt_neo"]
    name = "transformer.h.0.attn.attention.q_proj.bias"
    shapes = stored_shapes(family) | {name: (24,)}
    with pytest.raises(ValueError, match=re.escape(f"Received: {name}.")):
        match(shapes, family)


# === Weight rule ===


@pytest.mark.parametrize(
    ("names", "transposed", "shape", "expected"),
    [
        (("w",), False, (4, 6), (4, 6)),
        (("w",), True, (4, 6), (6, 4)),
        (("q", "k", "v"), False, (4, 6), (4, 2)),
        (("q", "k", "v"), True, (4, 6), (2, 4)),
        (("q", "k", "v"), False, (6,), (2,)),
    ],
)
def test_the_tensors_share_our_last_axis(names, transposed, shape, expected):
    rule = WeightRule("kernel", names, transposed, shape)
    assert rule.tensor_shape == expected


# Two heads of width 2: our place of each of [queries | keys | values].
BY_HEAD = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]


@pytest.mark.parametrize("names", [("qkv",), ("q", "k", "v")])
@pytest.mark.parametrize(("num_heads", "order"), [(1, range(12)), (2, BY_HEAD)])
def test_our_last_axis_goes_by_head(names, num_heads, order):
    rule = WeightRule("kernel", names, shape=(4, 12), num_heads=num_heads)
    places = [rule.places(part) for part in range(len(names))]
    np.testing.assert_array_equal(np.concatenate(places), order)
    weight = np.random.default_rng(0).normal(size=(4, 12))
    for part, of_part in enumerate(places):
        np.testing.assert_array_equal(
            rule.take(weight, part), weight[:, of_part]
        )
    tensors = [rule.take(weight, part) for part in range(len(names))]
    np.testing.assert_array_equal(rule.join(np.hstack(tensors)), weight)


def test_a_weight_of_one_tensor_keeps_its_order_at_any_width():
    rule = WeightRule("kernel", ("w",), shape=(7,))
    array = np.arange(7)
    np.testing.assert_array_equal(rule.take(array, 0), array)
    np.testing.assert_array_equal(rule.join(array), array)
