"""Compares a model's logits with those that transformers computes."""

import contextlib
import dataclasses
import importlib.util

import numpy as np

# Rows and tokens to compare; a window of 256 is crossed where there is one.
_ROWS, _LENGTH = 2, 300
# float32 rounding, as a share of the largest logit; transformers' own float32
# differs from its float64 by up to a tenth of it.
_TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True)
class LogitComparison:
    """How far two models' logits are apart."""

    largest_difference: float
    largest_logit: float
    same_choices: float

    @property
    def agrees(self):
        """Whether the difference is that of rounding in float32."""
        allowed = _TOLERANCE * max(1.0, self.largest_logit)
        return self.largest_difference <= allowed

    def __str__(self):
        verdict = "agree" if self.agrees else "DIFFER"
        return (
            f"Logits {verdict}: largest difference "
            f"{self.largest_difference:.2g} among logits up to "
            f"{self.largest_logit:.3g}, the same likeliest token at "
            f"{self.same_choices:.1%} of the positions."
        )


def check_installed():
    """Raises unless torch and transformers are there."""
    for name in ("torch", "transformers"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                "torch and transformers must be installed to compare logits. "
                f"Received: no {name}. Run `pip install torch transformers`."
            )


def compare_with_transformers(model, folder, dtype="float32"):
    """Compares a model with a checkpoint in transformers' eager attention.

    Both compute in float32, on random token ids.
    """
    check_installed()
    import torch
    import transformers

    with _no_progress_bars(transformers.utils.logging):
        reference = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), attn_implementation="eager"
        )
    # The argument for the type has another name in each version.
    reference = reference.to(getattr(torch, dtype)).float().eval()
    backbone = model.backbone
    length = min(_LENGTH, backbone.max_sequence_length)
    token_ids = np.random.default_rng(0).integers(
        backbone.vocabulary_size, size=(_ROWS, length), dtype="int32"
    )
    mask = np.ones_like(token_ids, "bool")
    ours = model({"token_ids": token_ids, "padding_mask": mask})
    ours = np.asarray(ours, "float32")
    with torch.no_grad():
        theirs = reference(torch.tensor(token_ids, dtype=torch.int64))
    theirs = theirs.logits.numpy()
    same = ours.argmax(axis=-1) == theirs.argmax(axis=-1)
    return LogitComparison(
        largest_difference=float(np.abs(ours - theirs).max()),
        largest_logit=float(np.abs(theirs).max()),
        same_choices=float(same.mean()),
    )


@contextlib.contextmanager
def _no_progress_bars(logging):
    """Hides transformers' bars, in a load of seconds."""
    were_there = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_there:
            logging.enable_progress_bar()
