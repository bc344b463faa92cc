"""What a build would miss only at a late stage, told before the first."""

import os

from keras_gpt3.corpus.quality_classifier import QualityClassifier
from keras_gpt3.replaced_folder import check_is_free


def check_build(config):
    """Raises unless what the later stages read is there.

    A large corpus is read for hours before its filter is asked for.
    """
    check_is_free(config.folder, lambda path: True)
    if config.filter.classifier:
        QualityClassifier.load(config.filter.classifier)
    for path in config.decontaminate.texts:
        if not os.path.isfile(path):
            raise FileNotFoundError(
                "A file of evaluation texts must exist. Received: "
                f"decontaminate.texts='{path}'. Correct the path."
            )
