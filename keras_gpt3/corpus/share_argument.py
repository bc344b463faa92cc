"""The check that scores and similarities of a config go through."""


def check_share(name, value):
    """Raises unless a number is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(
            f"{name} must be from 0 to 1. Received: {name}={value}. Leave it "
            "out for the default."
        )
