import json

import numpy as np
import pytest

from keras_gpt3.corpus.dedup.connected_components import connected_components
from keras_gpt3.corpus.dedup.dedup_plan import OWN
from keras_gpt3.corpus.dedup.dedup_plan import PAIR
from keras_gpt3.corpus.dedup.dedup_plan import PlannedPart
from keras_gpt3.corpus.dedup.select_duplicates import SelectDuplicates
from keras_gpt3.corpus.pipeline.beam_options import beam_options

PARTS = (
    PlannedPart("0.npz", "web", ("web",)),
    PlannedPart("1.npz", "web", ("web",)),
    PlannedPart("2.npz", "books", ("web",)),
    PlannedPart("3.npz", "old", ("web",), "drops.json"),
)
OWN_NODE = int(OWN)


def decide(folder, links, num_blocks=1):
    """What goes of each part.

    Args:
        links: list of two documents `(node, part, row)`, similarity, is_exact.
    """
    pairs = np.zeros(len(links), PAIR)
    for pair, (one, other, _, is_exact) in zip(pairs, links, strict=True):
        for name, values in zip(
            ("nodes", "parts", "rows"),
            zip(one, other, strict=True),
            strict=True,
        ):
            pair[name] = values
        pair["is_exact"] = is_exact
    ids = [[f"{o[1]}/{o[2]}" for o in link[:2]] for link in links]
    folder.mkdir()
    np.savez(
        folder / "pairs.npz",
        pairs=pairs,
        nodes=pairs["nodes"],
        similarities=np.array([link[2] for link in links]),
        ids=np.frombuffer(json.dumps(ids).encode(), "uint8"),
    )
    paths, options = [str(folder / "pairs.npz")], beam_options(workers=1)
    components = connected_components(paths, folder / "c", 1, options)
    drops = SelectDuplicates(PARTS, str(folder), num_blocks)
    sizes = drops.run(paths, components, options)
    found = {}
    for number in range(len(PARTS)):
        path = folder / f"drops-{number:05}.json"
        assert str(path) == drops.drops_path(number)
        found[number] = json.loads(path.read_bytes()) if path.exists() else []
    return found, sizes


@pytest.mark.parametrize("num_blocks", [1, 5])
def test_one_of_a_cluster_stays_and_the_others_name_their_match(
    tmp_path, num_blocks
):
    first, second, third, fourth = (
        (OWN_NODE + node, part, row)
        for node, part, row in [(1, 1, 7), (2, 0, 5), (3, 0, 3), (4, 1, 9)]
    )
    links = [
        (first, second, 0.85, False),
        (second, third, 0.95, False),
        (first, fourth, 0.99, False),
        (third, fourth, 1.0, True),
    ]
    drops, sizes = decide(tmp_path / "out", links, num_blocks)
    assert sizes == {"4": 1}
    assert drops[0] == [
        {
            "row": 3,
            "reason": "exact duplicate",
            "matched": "1/9",
            "similarity": 1.0,
            "kept": "1/7",
        },
        {
            "row": 5,
            "reason": "near duplicate",
            "matched": "0/3",
            "similarity": 0.95,
            "kept": "1/7",
        },
    ]
    assert [drop["row"] for drop in drops[1]] == [9]
    assert drops[2] == drops[3] == []


@pytest.mark.parametrize(
    ("part", "reason"), [(2, "in books"), (3, "in the index")]
)
def test_nothing_stays_of_a_cluster_with_another_data_set(
    tmp_path, part, reason
):
    other, first, second = (9, part, 0), (OWN_NODE, 0, 0), (OWN_NODE + 1, 1, 0)
    links = [(other, second, 0.9, False), (first, second, 0.9, False)]
    drops, sizes = decide(tmp_path / "out", links)
    assert sizes == {"2": 1}
    assert [drop["reason"] for drop in drops[0] + drops[1]] == [reason] * 2
    assert {drop["kept"] for drop in drops[0] + drops[1]} == {f"{part}/0"}
    # Equal similarities: the smaller number is named.
    assert drops[1][0]["matched"] == f"{part}/0"
    assert drops[part] == []


def test_no_pairs_drop_nothing(tmp_path):
    drops = SelectDuplicates(PARTS, str(tmp_path), 1)
    assert drops.run([], [], beam_options(workers=1)) == {}
