"""From answers as token ids to texts."""

import numpy as np

from keras_gpt3.generation.stop_strings import cut_at_stop


class AnswerTexts:
    """The texts of answers, cut at stop strings.

    Args:
        preprocessor: `GPT3Preprocessor`.
        prompt_mask: bool array of shape `(answers, length)`, True on the
            prompts.
        stop: tuple of strings. Defaults to `()`.
    """

    def __init__(self, preprocessor, prompt_mask, stop=()):
        self._preprocessor = preprocessor
        self._prompt_mask = prompt_mask
        self._stop = stop

    def decode(self, answers, strip_prompt=False):
        """Decodes answers.

        Args:
            answers: a `TokenAnswers`.
            strip_prompt: bool. Whether to leave the prompts out. Defaults to
                `False`.

        Returns:
            A list of strings.
        """
        prompts, whole = self._parts(answers)
        texts = [
            cut_at_stop(text[len(prompt) :], self._stop)[0]
            for prompt, text in zip(prompts, whole, strict=True)
        ]
        if strip_prompt:
            return texts
        return [a + b for a, b in zip(prompts, texts, strict=True)]

    def have_stopped(self, answers):
        """Which answers hold a stop string.

        Args:
            answers: a `TokenAnswers`.

        Returns:
            A bool array of shape `(answers,)`.
        """
        return np.array(
            [
                cut_at_stop(text[len(prompt) :], self._stop)[1]
                for prompt, text in zip(*self._parts(answers), strict=True)
            ]
        )

    def _parts(self, answers):
        """The prompts' texts, and with the answers behind them."""
        return [
            self._preprocessor.generate_postprocess(
                {"token_ids": answers.token_ids, "padding_mask": mask}
            )
            for mask in (self._prompt_mask, answers.padding_mask)
        ]
