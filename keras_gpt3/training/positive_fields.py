"""The check that a config's minutes and rates go through."""


def check_positive(section, name, *fields):
    """Raises unless a section's numbers are above 0, or `None`.

    Args:
        section: dataclass.
        name: string. The section's name, for the message; `""` for the whole
            config.
        *fields: strings. The names of the fields.

    Raises:
        ValueError: If a field holds a number that is not above 0.

    Example:

    ```python
    from keras_gpt3.training.health_section import HealthSection
    from keras_gpt3.training.positive_fields import check_positive

    check_positive(HealthSection(), "health", "spike_deviations")
    ```
    """
    for field in fields:
        value = getattr(section, field)
        if value is not None and not value > 0:
            field = f"{name}.{field}" if name else field
            raise ValueError(
                f"{field} must be above 0. Received: {field}={value}. Use "
                "None to do without."
            )
