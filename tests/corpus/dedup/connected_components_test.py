import numpy as np
import pytest
from scipy import sparse

from keras_gpt3.corpus.dedup import connected_components as module
from keras_gpt3.corpus.dedup.connected_components import connected_components
from keras_gpt3.corpus.pipeline.beam_options import beam_options


def clusters(folder, links, num_files=1, num_blocks=1, workers=1):
    """A dict of each node but the smallest of a cluster to the smallest."""
    paths = []
    for number in range(num_files):
        path = folder / f"links-{number:03}.npz"
        np.savez(path, nodes=np.array(links[number::num_files], "uint64"))
        paths.append(str(path))
    options = beam_options(workers=workers)
    found = connected_components(paths, folder / "out", num_blocks, options)
    nodes = np.concatenate([np.load(path)["nodes"] for path in found])
    assert len(np.unique(nodes[:, 0])) == len(nodes)
    return dict(nodes.tolist())


@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.quick_cases(1)
def test_a_long_chain_is_one_cluster(tmp_path, is_shuffled):
    rng = np.random.default_rng(0)
    nodes = np.arange(1, 1001)
    if is_shuffled:
        rng.shuffle(nodes)
    links = np.stack([nodes[1:], nodes[:-1]], axis=1)[rng.permutation(999)]
    # No file and no block can see more than a piece of it.
    found = clusters(tmp_path, links, num_files=20, num_blocks=7)
    assert found == {node: 1 for node in range(2, 1001)}
    assert len(list((tmp_path / "out").iterdir())) > 1


@pytest.mark.parametrize(("num_files", "num_blocks"), [(1, 1), (3, 5)])
def test_clusters_are_those_of_scipy(tmp_path, num_files, num_blocks):
    rng = np.random.default_rng(0)
    links = rng.integers(0, 300, (200, 2))
    links = links[links[:, 0] != links[:, 1]]
    graph = sparse.coo_array(
        (np.ones(len(links)), (links[:, 0], links[:, 1])), (300, 300)
    )
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    expected = {}
    for node, label in enumerate(labels):
        smallest = int(np.flatnonzero(labels == label)[0])
        if node != smallest:
            expected[node] = smallest
    # Of 64 bits, more than a float can hold.
    shift = 2**64 - 300
    shifted = links.astype("uint64") + np.uint64(shift)
    found = clusters(tmp_path, shifted, num_files, num_blocks)
    assert found == {k + shift: v + shift for k, v in expected.items()}


def test_no_links_make_no_clusters(tmp_path):
    assert connected_components([], tmp_path, 1, beam_options(1)) == []


def test_rounds_go_on_in_further_pipelines(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ROUNDS", 1)
    links = np.stack([np.arange(1, 60), np.arange(59)], axis=1)
    found = clusters(tmp_path, links, num_files=59, num_blocks=4)
    assert found == {node: 0 for node in range(1, 60)}
    assert len(list((tmp_path / "out").iterdir())) >= 3
