"""Error messages about prompts and stop strings.

Each comes in two parts, before and after the value, so that a graph can print
it as well; a graph prints quotes with backslashes, hence there are none.
"""

EMPTY_PROMPT = (
    "A prompt must have at least one token. Received: tokens=",
    ". Pass <|endoftext|> to start from nothing.",
)
PADDING = (
    "Padding must follow the prompt. Received: padding_mask=",
    ". Pad on the right.",
)
NO_PROMPTS = (
    "inputs must hold at least one prompt. Received: prompts=",
    ". Leave the empty batch out.",
)
MAX_NEW_TOKENS = (
    "max_new_tokens must be an integer of at least 1. Received: "
    "max_new_tokens=",
    ". Pass 1 or more.",
)
TOP_K = (
    "top_k must be an integer of at least 0. Received: top_k=",
    ". Pass 0 or more.",
)
STOP_STRINGS = (
    "stop must be a string or a list of strings, none of them empty. "
    "Received: stop=",
    ". Leave it out to stop at the end of text only.",
)
TRUNCATE = (
    "truncate must be left, or left out. Received: truncate=",
    ". Use left to drop the first tokens of a long prompt.",
)


def too_long_message(context):
    """The error for a prompt that leaves no room for its answer."""
    return (
        "prompt and max_new_tokens must fit the context of "
        f"{context} tokens. Received: tokens=",
        ". Shorten the prompt, request fewer tokens, or set truncate to left.",
    )
