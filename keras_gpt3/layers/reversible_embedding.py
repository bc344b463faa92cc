"""A token embedding whose quantized head passes gradients on."""

import keras
from keras import ops
from keras import quantizers


# The class has its parent's name: weight files call the layer by it.
@keras.saving.register_keras_serializable(package="keras_gpt3")
class ReversibleEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding` that adapters can learn below.

    The parent's quantized head rounds its inputs without a gradient: what
    reaches the layers below comes from the scale of the rounding alone. It
    leaves out an adapter of the table as well. Here the gradient goes through
    the table that the integers stand for, as in Keras' `Dense`. Arguments and
    results are the parent's.
    """

    def quantize(self, mode=None, type_check=True, config=None):
        # The parent refuses its subclasses.
        super().quantize(mode, type_check=False, config=config)

    def quantized_call(self, inputs, reverse=False):
        if not reverse:
            return super().quantized_call(inputs)
        logits = self._quantized_logits(inputs)
        if self.lora_enabled:
            part = ops.matmul(inputs, ops.transpose(self.lora_embeddings_b))
            part = ops.matmul(part, ops.transpose(self.lora_embeddings_a))
            logits += (self.lora_alpha / self.lora_rank) * part
        return ops.cast(logits, self.compute_dtype)

    def _quantized_logits(self, inputs):
        """The parent's logits, differentiable with respect to the inputs."""
        compute = super().quantized_call

        @ops.custom_gradient
        def logits_with_gradient(inputs):
            def gradient(*args, upstream=None):
                if upstream is None:
                    (upstream,) = args
                table = ops.cast(self._float_table(), upstream.dtype)
                return ops.cast(ops.matmul(upstream, table), inputs.dtype)

            return compute(inputs, reverse=True), gradient

        return logits_with_gradient(inputs)

    def _float_table(self):
        """What the integers stand for, without an adapter, `(V, E)`."""
        codes = self._embeddings
        scale = ops.cast(self.embeddings_scale, "float32")
        if self.quantization_mode == "int4":
            codes = quantizers.unpack_int4(codes, self.output_dim, axis=-1)
        codes = ops.cast(codes, "float32")
        if not hasattr(self, "embeddings_zero"):
            return codes / ops.expand_dims(scale, -1)
        # Groups of a row have scales of their own.
        groups = ops.cast(self.g_idx, "int32")
        zero = ops.cast(self.embeddings_zero, "float32")
        zero = ops.take(zero, groups, axis=-1)
        return (codes - zero) * ops.take(scale, groups, axis=-1)
