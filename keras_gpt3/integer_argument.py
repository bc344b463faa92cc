"""The check that sizes, steps and seeds go through."""

import numbers


def check_integer(name, value, minimum):
    """Raise unless an argument is an integer of at least a minimum.

    Args:
        name: string. The argument's name, for the message.
        value: The argument.
        minimum: int. The smallest value allowed.

    Raises:
        ValueError: If `value` is no integer or is below `minimum`.

    Example:

    ```python
    from keras_gpt3.integer_argument import check_integer

    check_integer("batch_size", 8, minimum=1)
    ```
    """
    is_integer = isinstance(value, numbers.Integral)
    if not is_integer or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of at least {minimum}. "
            f"Received: {name}={value!r}. Pass {minimum} or more."
        )
