"""Which of its two forms a call of `GPT3.score` has."""

# Arguments that only one form takes, with their defaults.
TOKEN_ARGUMENTS = {
    "scoring_mode": "logits",
    "layer_intercept_fn": None,
    "target_ids": None,
}
CONTINUATION_ARGUMENTS = {
    "top_n": 0,
    "batch_size": 8,
    "truncate": None,
    "prefix": None,
}


def token_form(context, continuation, token_ids, padding_mask):
    """Reads the first two arguments as keras-hub's, if that is what
    they are.
    """
    is_mask = _is_mask(continuation)
    if token_ids is None and padding_mask is None:
        if continuation is not None and not is_mask:
            return None
        return context, continuation
    named = {"token_ids": token_ids, "padding_mask": padding_mask}
    placed = {"token_ids": context, "padding_mask": continuation}
    for name, value in placed.items():
        if value is not None and named[name] is not None:
            raise ValueError(
                f"{name} must be given once. Received: {name} by name and "
                f"type={type(value).__name__} in its place. Leave one out."
            )
    if continuation is not None and not is_mask:
        raise ValueError(
            "continuation must come with a context, not with token_ids or "
            f"padding_mask. Received: type={type(continuation).__name__}. Pass "
            "context and continuation only."
        )
    return (
        context if token_ids is None else token_ids,
        continuation if padding_mask is None else padding_mask,
    )


def check_left_out(arguments, defaults, scored):
    """Raises if an argument of the other form is given."""
    for name, default in defaults.items():
        value = arguments[name]
        # Arrays are not compared.
        if value is default or (default is not None and value == default):
            continue
        raise ValueError(
            f"{name} must be left out where {scored} are scored. Received: "
            f"{name} of type {type(value).__name__}. See GPT3.score for the "
            "arguments of its two forms."
        )


def _is_mask(value):
    """Whether the second argument is keras-hub's mask, an array of two axes."""
    return len(getattr(value, "shape", ())) == 2
