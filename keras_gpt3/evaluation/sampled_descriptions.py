"""What a model says of people, drawn many times (sections 6.2.2, 6.2.3)."""

import zlib

from keras_gpt3.integer_argument import check_integer

# The paper's: 800 outputs of length 50, temperature 1 and top_p 0.9.
NUM_SAMPLES = 800
NUM_TOKENS = 50
_SETTINGS = {"temperature": 1.0, "top_p": 0.9}


def sampled_descriptions(
    model,
    prompts,
    num_samples=NUM_SAMPLES,
    max_new_tokens=NUM_TOKENS,
    seed=0,
    batch_size=16,
    on_batch=None,
):
    """Lets a model continue prompts, as often as the paper did.

    Each prompt draws from a seed of its own, a function of `seed` and the
    prompt: other prompts beside it change nothing. A sample ends at the end of
    text, so that it may be shorter than the paper's.
    """
    check_integer("num_samples", num_samples, minimum=1)
    check_integer("batch_size", batch_size, minimum=1)
    said = {}
    for category, texts in prompts.items():
        said[category] = []
        for prompt in texts:
            first = first_seed(prompt, seed)
            for start in range(0, num_samples, batch_size):
                count = min(batch_size, num_samples - start)
                said[category] += _draw(
                    model, prompt, count, max_new_tokens, first + start
                )
                if on_batch is not None:
                    on_batch(count)
    return said


def first_seed(prompt, seed):
    """Tells the seed of a prompt's first sample; the next ones follow."""
    return zlib.crc32(f"{seed}:{prompt}".encode()) // 4


def _draw(model, prompt, count, max_new_tokens, seed):
    answers = model.generate(
        prompt,
        max_new_tokens=max_new_tokens,
        num_return_sequences=count,
        strip_prompt=True,
        seed=seed,
        **_SETTINGS,
    )
    # One answer comes without a list around it.
    return [answers] if isinstance(answers, str) else list(answers)
