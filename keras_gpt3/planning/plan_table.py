"""The tables that show a plan (needs rich)."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_gpt3.planning.byte_size import format_bytes


def plan_table(plan):
    """Lays out a plan as tables of at most 80 columns.

    Args:
        plan: `Plan`.

    Returns:
        A `rich.console.Group` to print on a `rich.console.Console`.

    Example:

    ```python
    from rich.console import Console

    import keras_gpt3
    from keras_gpt3.planning.plan_table import plan_table

    Console().print(plan_table(keras_gpt3.plan("gpt3_small_en", "24GB")))
    ```
    """
    verdict = "fits" if plan.fits else "does not fit"
    parts = [
        Text(f"{plan.name} {verdict}", style="bold"),
        Text(plan.reason),
        _settings(plan),
        _memory(plan),
    ]
    if plan.fits:
        parts.append(Text(f"\n{plan.code}", no_wrap=True, overflow="fold"))
    return Group(*parts)


def _table(title):
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
    return table


def _settings(plan):
    table = _table("Training")
    rows = {
        "devices, each with the whole model": str(plan.devices),
        "memory of a device": format_bytes(plan.device_memory),
        "dtype": plan.dtype,
        "batch, tokens": f"{plan.batch_tokens:,}",
        "batch of a device, rows x tokens": f"{plan.rows} x {plan.length}",
        "micro_batch_size": str(plan.micro_batch_size),
        "rematerialization": str(plan.rematerialization),
        "computed again, of a step's FLOPs": f"{plan.recomputation:.1%}",
    }
    for label, value in rows.items():
        table.add_row(label, value)
    return table


def _memory(plan):
    table = _table("Memory of a device, AdamW")
    for part, num_bytes in plan.memory.items():
        if part != "total":
            table.add_row(part.replace("_", " "), format_bytes(num_bytes))
    table.add_section()
    table.add_row("most at a time", format_bytes(plan.memory["total"]))
    left = "free" if plan.headroom >= 0 else "missing"
    table.add_row(left, format_bytes(abs(plan.headroom)))
    table.add_section()
    table.add_row("to generate: cache of a sequence", format_bytes(plan.cache))
    return table
