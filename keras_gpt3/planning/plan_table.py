"""The tables that show a plan (needs rich)."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_gpt3.planning.byte_size import format_bytes


def plan_table(plan):
    """Lays out a plan as tables of at most 80 columns."""
    verdict = "fits" if plan.fits else "does not fit"
    parts = [
        Text(f"{plan.name} {verdict}", style="bold"),
        Text(plan.reason),
        _settings(plan),
        _memory(plan),
    ]
    if plan.fits:
        if plan.devices > 1:
            parts.append(_communication(plan))
        parts.append(_time(plan))
        parts.append(Text(f"\n{plan.code}", no_wrap=True, overflow="fold"))
    return Group(*parts)


def _table(title, rows):
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        show_header=False,
        min_width=60,
    )
    table.add_column()
    table.add_column(justify="right")
    for label, value in rows.items():
        table.add_row(label, value)
    return table


def _settings(plan):
    rows = {
        "devices": str(plan.devices),
        "memory of a device": format_bytes(plan.device_memory),
        "mesh, data x model x stages": str(plan.mesh),
        "backend": plan.backend,
        "dtype": plan.dtype,
        "batch, tokens": f"{plan.batch_tokens:,}",
        "batch of a replica, rows x tokens": f"{plan.rows} x {plan.length}",
        "micro_batch_size": str(plan.micro_batch_size),
        "rematerialization": str(plan.rematerialization),
        "computed again, of a step's FLOPs": f"{plan.recomputation:.1%}",
    }
    if plan.backend == "jax":
        rows["shard_optimizer"] = str(plan.shard_optimizer)
        rows["shard_weights"] = str(plan.shard_weights)
    if plan.mesh.stages > 1:
        rows["bubble, of a step"] = f"{plan.bubble:.1%}"
    return _table("Training", rows)


def _memory(plan):
    rows = {
        part.replace("_", " "): format_bytes(num_bytes)
        for part, num_bytes in plan.memory.items()
        if part != "total"
    }
    table = _table("Memory of a device, AdamW", rows)
    table.add_section()
    table.add_row("most at a time", format_bytes(plan.memory["total"]))
    left = "free" if plan.headroom >= 0 else "missing"
    table.add_row(left, format_bytes(abs(plan.headroom)))
    table.add_section()
    table.add_row("to generate: cache of a sequence", format_bytes(plan.cache))
    return table


def _communication(plan):
    labels = {
        "activations": "activations, over the model axis",
        "gradients": "gradients, over the data axis",
        "weights": "weights, over the data axis",
        "stages": "activations, from stage to stage",
    }
    rows = {
        labels[kind]: format_bytes(num_bytes)
        for kind, num_bytes in plan.communication.items()
        if num_bytes
    }
    table = _table("What a device sends in a step", rows)
    links = plan.links
    table.add_section()
    table.add_row("devices of a machine, assumed", str(links.node_devices))
    for label, bandwidth in (
        ("within a machine, assumed", links.node_bandwidth),
        ("between machines, assumed", links.network_bandwidth),
    ):
        table.add_row(label, f"{format_bytes(bandwidth)}/s")
    return table


def _time(plan):
    rows = {
        "FLOP/s of a device, assumed": f"{plan.sustained_flops / 1e12:g}e12",
        "a step": f"{plan.step_seconds:.3g} s",
        "tokens": f"{plan.total_tokens / 1e9:g}B",
        "days": f"{plan.days:.1f}",
        "petaflop/s-days, with attention": f"{plan.petaflop_days:,.2f}",
    }
    if plan.table_d1 is not None:
        rows["petaflop/s-days of Table D.1, without it"] = f"{plan.table_d1:,}"
    return _table("Time", rows)
