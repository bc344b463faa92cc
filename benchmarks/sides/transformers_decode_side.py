"""transformers' GPT-2 at a size of GPT-3 that continues prompts; PyTorch."""

import time

import numpy as np
import torch
import transformers
from harness.side_server import serve

VOCABULARY = 50257


def build(
    dtype="float32",
    batch_size=1,
    prompt=512,
    new_tokens=64,
    num_layers=12,
    num_heads=12,
    hidden_dim=768,
    device="cpu",
):
    """Builds the model, with random weights.

    Args:
        dtype: string. `"float32"` or `"bfloat16"`. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        prompt: int. Tokens of each prompt. Defaults to `512`.
        new_tokens: int. Defaults to `64`.
        num_layers: int. Defaults to `12`.
        num_heads: int. Defaults to `12`.
        hidden_dim: int. Defaults to `768`.
        device: string. `"cpu"` or `"cuda"`. Defaults to `"cpu"`.

    Returns:
        A pair of the step, as that of `decode_side`, and a dict of facts.
    """
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=2048,
        n_embd=hidden_dim,
        n_layer=num_layers,
        n_head=num_heads,
        attn_implementation="sdpa",
        # No id ends the answer.
        bos_token_id=None,
        eos_token_id=None,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    model = model.to(device, getattr(torch, dtype))

    def generate(prompt_length, count=new_tokens):
        ids = np.random.default_rng(prompt_length).integers(
            VOCABULARY, size=(batch_size, prompt_length)
        )
        ids = torch.from_numpy(ids).to(device)
        start = time.perf_counter()
        with torch.inference_mode():
            answer = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=count,
                min_new_tokens=count,
                do_sample=False,
                use_cache=True,
                pad_token_id=0,
            )
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        if answer.shape[1] != prompt_length + count:
            raise RuntimeError(
                "generate must give all new tokens. Received: shape="
                f"{tuple(answer.shape)}. Look for an end of text in the config."
            )
        return seconds

    def step():
        return {
            "all_tokens": generate(prompt),
            "quarter": generate(prompt, new_tokens // 4),
        }

    size = torch.finfo(getattr(torch, dtype)).bits // 8
    width, length = config.n_embd, prompt + new_tokens
    facts = {
        "first_call": generate(prompt),
        "another_length": generate(prompt - 3),
        "that_length_again": generate(prompt - 3),
        "weight_bytes": size * model.num_parameters(),
        "cache_bytes": size * 2 * batch_size * num_layers * length * width,
    }
    return step, facts


if __name__ == "__main__":
    serve(build, "torch", "transformers")
