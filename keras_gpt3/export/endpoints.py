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

    Args:
        model: `GPT3`.

    Attributes:
        tracked: list of trackable objects that an export must keep besides
            the variables: the tables of the tokenizer.

    Example:

    ```python
    import keras
    import keras_gpt3
    from keras_gpt3.export.endpoints import Endpoints

    model = keras_gpt3.GPT3(
        keras_gpt3.GPT3Backbone(
            vocabulary_size=100,
            num_layers=1,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=64,
            max_sequence_length=32,
        )
    )
    endpoints = Endpoints(model)
    archive = keras.export.ExportArchive()
    for resource in [model.backbone, *endpoints.tracked]:
        archive.track(resource)
    with keras_gpt3.ops.op_compilation(False):
        for name, (function, specs) in endpoints.functions().items():
            archive.add_endpoint(name, function, input_signature=specs)
        archive.write_out("exported", verbose=False)
    ```
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
        """Lists the functions and what they take.

        Returns:
            A dict of name to a pair of callable and list of `tf.TensorSpec`,
            one for each of its arguments, in their order. The callables must
            be traced with `op_compilation(False)`.
        """
        return dict(self._functions)
