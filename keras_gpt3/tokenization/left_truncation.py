"""Cuts the start of prompts that are too long."""


def truncate_left(token_ids, length, num_kept=0):
    """Drops first tokens of a prompt, but not those that it must start with.

    As in transformers, a start token stays: a model that was trained with one
    must not go without.

    Args:
        token_ids: list of ints.
        length: int. The most tokens to leave, at least `num_kept`.
        num_kept: int. How many at the front stay, such as a start token or a
            prefix. Defaults to `0`.

    Returns:
        A list of ints.

    Example:

    ```python
    from keras_gpt3.tokenization.left_truncation import truncate_left

    truncate_left([2, 10, 11, 12], length=3, num_kept=1)  # [2, 11, 12]
    ```
    """
    num_dropped = max(len(token_ids) - length, 0)
    return token_ids[:num_kept] + token_ids[num_kept + num_dropped :]
