import re

import pytest

from tests.small_gpt3 import small_backbone

SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)


@pytest.mark.parametrize(
    "overrides, message",
    [
        *(
            (
                {name: value},
                f"{name} must be an integer of at least 1. Received: "
                f"{name}={value!r}. Pass 1 or more.",
            )
            for name in SIZES
            for value in (0, -2, 2.5, None)
        ),
        (
            {"num_heads": 3},
            "num_heads must divide hidden_dim. Received: num_heads=3, "
            "hidden_dim=16. Choose a width that is a multiple of the number "
            "of heads.",
        ),
        (
            {"attention_window": 0},
            "attention_window must be an integer of at least 1. Received: "
            "attention_window=0. Use dense attention to see every earlier "
            "key.",
        ),
        (
            {"attention_pattern": ("dense", "sparse")},
            "attention_pattern must be a sequence of ('dense', 'banded'). "
            "Received: attention_pattern=('dense', 'sparse'). Use ('dense', "
            "'banded') as the paper, or ('dense',) for GPT-2.",
        ),
        (
            {"attention_scale": 0.0},
            "attention_scale must be above 0. Received: attention_scale=0.0. "
            "Use None for 1 / sqrt(head_dim).",
        ),
        (
            {"embedding_dim": -4},
            "embedding_dim must be an integer of at least 1. Received: "
            "embedding_dim=-4. Pass 1 or more.",
        ),
        (
            {"position_offset": 0, "skip_padding_positions": True},
            "position_offset must be an integer of at least 1. Received: "
            "position_offset=0. Pass 1 or more.",
        ),
        ({"attention_pattern": ()}, "Received: attention_pattern=(). Use "),
        (
            {"attention_pattern": "dense"},
            "Received: attention_pattern='dense'.",
        ),
        ({"attention_pattern": 5}, "Received: attention_pattern=5. Use "),
        ({"attention_pattern": [["dense"]]}, "attention_pattern=[['dense']]."),
        (
            {"num_layers": 10**6},
            "num_layers must be at most 2048. Received: num_layers=1000000. "
            "Use fewer and wider layers.",
        ),
        (
            {"dropout": "x"},
            "dropout must be a number from 0 to 1. Received: dropout='x'. Use",
        ),
        ({"dropout": float("nan")}, "Received: dropout=nan. Use the paper's"),
        (
            {"layer_norm_epsilon": 10**400},
            f"Received: layer_norm_epsilon=1{'0' * 199}. Use the paper's",
        ),
        (
            {"use_bias": "x"},
            "use_bias must be True or False. Received: use_bias='x'. Use True, "
            "as GPT-3.",
        ),
        (
            {"activation": ["relu"]},
            "activation must be a name. Received: activation=['relu']. Use",
        ),
        ({"attention_scale": "a"}, "Received: attention_scale='a'. Use None"),
        (
            {"activation": "swish"},
            "Received: activation='swish'. Use 'gelu_approximate', as GPT-3.",
        ),
    ],
)
def test_arguments_that_make_no_sense_raise(overrides, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        small_backbone(**overrides)
    assert "\n" not in str(error.value)
