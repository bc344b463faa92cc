"""A vocabulary small enough to read, for tests that need no real one."""

from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS

MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d"]
MERGES += ["Ġwor ld", "Ċ Ċ", "Ġ Ġ", "t he", "Ġ the", "1 2", "Ã ©"]


def small_vocabulary():
    """Returns the 256 bytes, a few merges and `<|endoftext|>`, id last.

    Returns:
        A tuple of a dict, token -> id, and the list of merge rules.
    """
    tokens = [*BYTE_SYMBOLS, *(rule.replace(" ", "") for rule in MERGES)]
    tokens.append("<|endoftext|>")
    return {token: id for id, token in enumerate(tokens)}, list(MERGES)
