import pathlib

import parallelism_table
import pytest

import keras_gpt3

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "parallelism.md"


@pytest.mark.slow
def test_the_guide_s_table_is_what_the_planner_says():
    # Where the planner has changed: python benchmarks/parallelism_table.py.
    lines = parallelism_table.table_lines(parallelism_table.paper_presets())
    expected = "\n".join(lines)
    assert f"\n\n{expected}\n\n" in GUIDE.read_text("utf-8")


def test_a_cell_says_the_mesh_what_is_shared_and_the_days():
    plan = keras_gpt3.plan("gpt3_13b_en", "80GB", devices=8, mesh=(8, 1, 1))
    assert plan.shard_weights
    assert parallelism_table.cell(plan) == f"8x1x1 w, {plan.days:.0f} d"
    plan = keras_gpt3.plan("gpt3_small_en", "80GB", devices=64)
    assert parallelism_table.cell(plan) == f"64x1x1, {plan.days:.1f} d"
    plan = keras_gpt3.plan("gpt3_175b_en", "80GB", devices=8)
    assert parallelism_table.cell(plan) == "–"
