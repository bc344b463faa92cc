"""transformers' GPT-2 or GPT-Neo at a size of GPT-3, in PyTorch."""

import numpy as np
import torch
import transformers
from harness.side_server import serve


def build(
    model="gpt2",
    dtype="float32",
    batch_size=1,
    length=2048,
    num_layers=12,
    num_heads=12,
    hidden_dim=768,
    device="cpu",
):
    """Builds the model, with the package's optimizer constants.

    Args:
        model: string. `"gpt2"` (with PyTorch's fused attention) or
            `"gpt_neo"` (global and local layers by turns, window 256).
            Defaults to `"gpt2"`.
        dtype: string. `"float32"` or `"bfloat16"`, which is autocast.
            Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        length: int. Tokens in a sequence. Defaults to `2048`.
        num_layers: int. Defaults to `12`.
        num_heads: int. Defaults to `12`.
        hidden_dim: int. Defaults to `768`.
        device: string. `"cpu"` or `"cuda"`. Defaults to `"cpu"`.

    Returns:
        A pair of the step, a callable, and a dict of facts.
    """
    torch.manual_seed(0)
    make = {"gpt2": _gpt2, "gpt_neo": _gpt_neo}[model]
    network = make(length, num_layers, num_heads, hidden_dim).train().to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=6e-4,
        betas=(0.9, 0.95),
        eps=1e-8,
        weight_decay=0.1,
        # What transformers' own trainer takes; on a CPU PyTorch's default.
        fused=True if device == "cuda" else None,
    )
    ids = np.random.default_rng(0).integers(0, 50257, (batch_size, length))
    ids = torch.from_numpy(ids).to(device)

    is_bfloat16 = dtype == "bfloat16"

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=is_bfloat16):
            loss = network(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        # Waits for all that is in the GPU's queue, the update included.
        return loss.item()

    return step, {"parameters": network.num_parameters()}


def _gpt2(length, num_layers, num_heads, hidden_dim):
    config = transformers.GPT2Config(
        vocab_size=50257,
        n_positions=length,
        n_embd=hidden_dim,
        n_layer=num_layers,
        n_head=num_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        attn_implementation="sdpa",
    )
    return transformers.GPT2LMHeadModel(config)


def _gpt_neo(length, num_layers, num_heads, hidden_dim):
    kinds = ["global", "local"]
    attention_types = [[[kinds[i % 2]], 1] for i in range(num_layers)]
    config = transformers.GPTNeoConfig(
        vocab_size=50257,
        max_position_embeddings=length,
        hidden_size=hidden_dim,
        num_layers=num_layers,
        num_heads=num_heads,
        attention_types=attention_types,
        window_size=256,
        resid_dropout=0.0,
        embed_dropout=0.0,
        attention_dropout=0.0,
    )
    return transformers.GPTNeoForCausalLM(config)


if __name__ == "__main__":
    serve(build, "torch", "transformers")
