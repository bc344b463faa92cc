"""All signatures of an export. TensorFlow only."""

from keras_gpt3.export.stream_signatures import StreamSignatures
from keras_gpt3.export.text_signatures import TextSignatures
from keras_gpt3.export.token_signatures import token_endpoints


class Endpoints:
    """The functions that a SavedModel of a model offers.

    The first one is what a client gets that names none: `generate` where there
    is a preprocessor, else `logits`. Options have default values, tensors in
    the signature of the callable itself: `tf.saved_model.save` finds them
    there and writes them to the `SignatureDef`.
    """

    def __init__(self, model):
        self.tracked = []
        self._functions = {}
        ids, num_known = model.special_token_ids, None
        end_token_ids = tuple(ids.get("eos_token_id", ()))
        if model.preprocessor is not None:
            texts = TextSignatures(model)
            end_token_ids = (texts.end_token_id,)
            num_known = texts.encoding.vocabulary_size
            self.tracked.append(texts.encoding)
            self._functions |= texts.endpoints()
        self._functions |= token_endpoints(model.backbone)
        stream = StreamSignatures(model.backbone, end_token_ids, num_known)
        self._functions |= stream.endpoints()

    def functions(self):
        """Lists the functions and what they take."""
        return dict(self._functions)
