"""Tells a file that cannot be read now from one whose content is damaged."""

import errno

from keras_gpt3.echoed_value import echoed

# The last is what a damaged file makes a library ask of the system.
_OF_DAMAGE = (None, errno.EINVAL)


def raise_if_unreadable(error, path):
    """Raises the error of a system that cannot read a file.

    A disk that fails, a share that is gone or a file that may not be read says
    nothing of the content: to put the rest of the file aside would lose it for
    good.
    """
    if getattr(error, "errno", None) in _OF_DAMAGE:
        return
    raise type(error)(
        "A file of a corpus must be readable. Received: "
        f"file={echoed(str(path))} ({error.strerror or error}). Make it "
        "readable, and start again: what was done stays."
    ) from error
