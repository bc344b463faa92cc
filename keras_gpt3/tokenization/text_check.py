"""Refuses what is no text before the tokenizer sees it."""

# What is said of it everywhere, before and behind what was received.
INVALID_UTF8 = (
    "Texts must be valid UTF-8. Received: ",
    ". Replace it with U+FFFD, or send the text as UTF-8.",
)


def check_text(text):
    """Checks that a text can be encoded and decoded back.

    tiktoken would replace lone surrogates in silence.

    Args:
        text: object. What should be a str.

    Raises:
        ValueError: `text` is no str, or holds a lone surrogate.

    Example:

    ```python
    from keras_gpt3.tokenization.text_check import check_text

    check_text("Hello")
    ```
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
