"""The check that sizes, steps and seeds go through, alone or in a section."""

import numbers
import typing

from keras_gpt3.echoed_value import echoed


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
            f"Received: {name}={echoed(value)}. Pass {minimum} or more."
        )


def check_integers(section, name, /, **minimums):
    """Raise unless integers of a config's section are of at least minimums.

    Args:
        section: dataclass. `None` passes in a field whose type allows it.
        name: string. The section's name, for the message.
        **minimums: ints. The smallest value allowed of each field.

    Raises:
        ValueError: If a field holds no integer, or one below its minimum.

    Example:

    ```python
    import dataclasses

    from keras_gpt3.integer_argument import check_integers

    @dataclasses.dataclass
    class Section:
        every_steps: int | None = None

    check_integers(Section(5), "checkpoints", every_steps=1)
    ```
    """
    hints = typing.get_type_hints(type(section))
    for field, minimum in minimums.items():
        value = getattr(section, field)
        if value is not None or type(None) not in typing.get_args(hints[field]):
            check_integer(f"{name}.{field}", value, minimum)
