"""The cache of what prompts share, kept from one call to the next."""


class KeptPrefix:
    """Makes prefixes of a model, and keeps the last one.

    Args:
        model: `GPT3` with a preprocessor.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.kept_prefix import KeptPrefix

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    prefix_of = KeptPrefix(model)
    prefix_of("Grass is green.") is prefix_of("Grass is green.")  # True
    ```
    """

    def __init__(self, model):
        self._model = model
        self._text, self._prefix = None, None

    def holds(self, text):
        """Whether a text is the last one.

        Args:
            text: string.

        Returns:
            A bool.
        """
        return text == self._text

    def __call__(self, text):
        """The prefix of a text.

        Args:
            text: string.

        Returns:
            What `model.prefix` makes of it; `None` for an empty text.
        """
        if text and text != self._text:
            self._prefix = None  # Its memory is free before the next one's.
            self._prefix = self._model.prefix(text)
            self._text = text
        return self._prefix if text else None
