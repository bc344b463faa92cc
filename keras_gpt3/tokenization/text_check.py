"""Checks of texts, and the cut on their left."""

# What is said of it everywhere, before and after what was received.
INVALID_UTF8 = (
    "Texts must be valid UTF-8. Received: ",
    ". Replace it with U+FFFD, or send the text as UTF-8.",
)


def check_text(text):
    """Check that a text can be encoded and decoded back.

    tiktoken would replace lone surrogates in silence.
    """
    if not isinstance(text, str):
        raise ValueError(
            f"Texts must be str. Received: text={text!r:.50} "
            f"({type(text).__name__}). Decode bytes as UTF-8 first."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        surrogate = f"U+{ord(text[error.start]):04X}"
        received = f"a lone surrogate {surrogate} at position {error.start}"
        raise ValueError(received.join(INVALID_UTF8)) from None


def truncate_left(token_ids, length, num_kept=0):
    """Drop first tokens of a prompt, but not those that it must start with.

    As in transformers, a start token stays: a model that was trained with one
    must not go without.
    """
    num_dropped = max(len(token_ids) - length, 0)
    return token_ids[:num_kept] + token_ids[num_kept + num_dropped :]
