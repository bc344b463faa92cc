"""What keras-hub tests its GPT-2 with: a vocabulary of a few tokens.

From its tests (Apache 2.0), keras_hub/src/models/gpt2/*_test.py of version
0.32. It lacks most bytes, and its merges are not in the order of training:
"Ġai r" comes before "Ġa i".
"""

from keras_gpt3 import GPT3Backbone
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer

MERGES = ["Ġ a", "Ġ t", "Ġ i", "Ġ b", "a i", "p l", "n e"]
MERGES += ["Ġa t", "p o", "r t", "Ġt h", "ai r", "pl a", "po rt"]
MERGES += ["Ġai r", "Ġa i", "pla ne"]
SPECIAL_TOKENS = ["!", "<|endoftext|>"]


def vocabulary(special_tokens_first=True):
    """All parts and results of the merges, sorted, with or before the special.

    Returns:
        A dict, token -> id. The special tokens sort first.
    """
    tokens = {part for rule in MERGES for part in rule.split(" ")}
    tokens |= {rule.replace(" ", "") for rule in MERGES}
    if special_tokens_first:
        tokens = sorted({*tokens, *SPECIAL_TOKENS})
    else:
        tokens = [*sorted(tokens), *SPECIAL_TOKENS]
    return {token: id for id, token in enumerate(tokens)}


def preprocessor_arguments():
    """Arguments of a preprocessor that pads with "!" and adds a start token.

    Both are GPT-2's of keras-hub; GPT-3 has neither (section 2.2).
    """
    tokenizer = GPT3Tokenizer(vocabulary(), MERGES, pad_token="!")
    return {
        "tokenizer": tokenizer,
        "sequence_length": 8,
        "add_start_token": True,
    }


def task_arguments():
    """Arguments of a model of eight positions, all others at their defaults."""
    tokenizer = GPT3Tokenizer(vocabulary(), MERGES)
    preprocessor = GPT3Preprocessor(tokenizer, sequence_length=8)
    backbone = GPT3Backbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=2,
        hidden_dim=4,
        intermediate_dim=8,
        max_sequence_length=8,
    )
    return {"preprocessor": preprocessor, "backbone": backbone}
