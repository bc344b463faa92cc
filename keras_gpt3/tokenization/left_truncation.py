"""Cuts the start of prompts that are too long."""


def truncate_left(token_ids, length, num_kept=0):
    """Drops first tokens of a prompt, but not those that it must start with.

    As in transformers, a start token stays: a model that was trained with one
    must not go without.
    """
    num_dropped = max(len(token_ids) - length, 0)
    return token_ids[:num_kept] + token_ids[num_kept + num_dropped :]
