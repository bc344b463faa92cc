"""The check that a config's minutes and rates go through."""


def check_positive(section, name, *fields):
    """Raises unless a section's numbers are above 0, or `None`."""
    for field in fields:
        value = getattr(section, field)
        if value is not None and not value > 0:
            field = f"{name}.{field}" if name else field
            raise ValueError(
                f"{field} must be above 0. Received: {field}={value}. Use "
                "None to do without."
            )
