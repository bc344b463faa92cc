"""Seeds of answers that are drawn, from what is asked alone."""

import collections
import hashlib


def prompt_seeds(prompts, seed):
    """Makes a seed for each prompt, another one where a prompt comes again.

    Other prompts before it do not change it: lm-evaluation-harness leaves out
    those that its cache knows.
    """
    times, seeds = collections.Counter(), []
    for prompt in prompts:
        text = f"{seed} {times[prompt]} {prompt}"
        times[prompt] += 1
        code = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4)
        seeds.append(int.from_bytes(code.digest(), "little") >> 1)
    return seeds
