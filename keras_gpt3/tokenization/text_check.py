"""Refuses what is no text before the tokenizer sees it."""


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
        raise ValueError(
            "Texts must be valid UTF-8. Received: a lone surrogate "
            f"U+{ord(text[error.start]):04X} at position {error.start}. Replace"
            " it: text.encode(errors='replace').decode()."
        ) from None
