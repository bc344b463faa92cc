"""Clusters: what is linked, by whatever number of links, belongs together."""

import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.corpus.dedup.lsh_bands import run_starts
from keras_gpt3.corpus.dedup.lsh_bands import scattered
from keras_gpt3.corpus.dedup.min_hash import mixed_bits
from keras_gpt3.corpus.pipeline.corpus_pipeline import corpus_pipeline
from keras_gpt3.needed_packages import import_extra

# Each pipeline costs a start of the workers, each round two shuffles.
_ROUNDS = 3


def connected_components(paths, folder, num_blocks, options):
    """Find the clusters of a graph of any size, as Beam pipelines.

    Large-star and small-star in turn (Kiveris et al. 2014, "Connected
    Components in MapReduce and Beyond") until all clusters are stars: a chain
    takes a number of rounds that grows as the logarithm of its length.
    """
    number, is_done = 0, not paths
    while not is_done:
        target = pathlib.Path(folder, f"pass-{number:02}")
        with corpus_pipeline(options) as pipeline:
            _add_rounds(pipeline, paths, num_blocks, str(target))
        paths = sorted(map(str, target.glob("*.npz")))
        is_done = all(_is_done(path) for path in paths)
        number += 1
    return paths


def _add_rounds(pipeline, paths, num_blocks, folder):
    beam = import_extra("apache_beam")
    links = (
        pipeline
        | beam.Create(paths)
        | beam.Reshuffle()
        | "Read" >> beam.FlatMap(_read_stars, num_blocks)
    )
    for i in range(_ROUNDS):
        links = (
            links
            | f"Neighbours {i}" >> beam.GroupByKey()
            | f"Large star {i}" >> beam.FlatMap(_large_star, num_blocks)
            | f"Smaller neighbours {i}" >> beam.GroupByKey()
            | f"Small star {i}" >> beam.FlatMap(_small_star, num_blocks)
        )
    _ = links | beam.GroupByKey() | beam.Map(_write, folder)


def _scatter(links, num_blocks):
    """Yield pairs of a block's number and its links, by their first node."""
    return scattered(links, mixed_bits(links[:, 0]), num_blocks)


def _scatter_both_ways(links, num_blocks):
    return _scatter(np.concatenate([links, links[:, ::-1]]), num_blocks)


# === One block ===


def _read_stars(path, num_blocks):
    """The links of a file, each cluster of which is made a star at once."""
    sparse = import_extra("scipy.sparse")
    with np.load(path) as arrays:
        links = arrays["nodes"]
    nodes, ends = np.unique(links, return_inverse=True)
    ends = ends.reshape(-1, 2)
    graph = sparse.coo_array(
        (np.ones(len(ends), "int8"), (ends[:, 0], ends[:, 1])),
        shape=(len(nodes), len(nodes)),
    )
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    # Nodes ascend, so the first of a label is its smallest.
    _, firsts = np.unique(labels, return_index=True)
    centers = nodes[firsts][labels]
    stars = np.stack([nodes, centers], axis=1)[nodes != centers]
    yield from _scatter_both_ways(stars, num_blocks)


def _gathered(item):
    """A block's links once each, sorted, and the smallest end of each run."""
    links = np.unique(np.concatenate(list(item[1])), axis=0)
    return links, links[run_starts(links[:, 0]), 1]


def _large_star(item, num_blocks):
    """Link larger neighbours to the smallest node around (or itself)."""
    links, smallest = _gathered(item)
    center = np.minimum(smallest, links[:, 0])
    is_larger = links[:, 1] > links[:, 0]
    stars = np.stack([links[:, 1], center], axis=1)[is_larger]
    yield from _scatter(stars, num_blocks)


def _small_star(item, num_blocks):
    """Link a node and its smaller neighbours to the smallest of these."""
    links, smallest = _gathered(item)
    stars = np.concatenate(
        [
            np.stack([links[:, 0], smallest], axis=1),
            np.stack([links[:, 1], smallest], axis=1),
        ]
    )
    stars = np.unique(stars[stars[:, 0] != stars[:, 1]], axis=0)
    yield from _scatter_both_ways(stars, num_blocks)


def _write(item, folder):
    """Write the links to smaller nodes, and whether all are of stars."""
    links, _ = _gathered(item)
    is_smaller = links[:, 1] < links[:, 0]
    _, runs = np.unique(links[:, 0], return_inverse=True)
    smaller = np.bincount(runs, is_smaller)
    larger = np.bincount(runs, ~is_smaller)
    is_star = (smaller == 0) | ((smaller == 1) & (larger == 0))
    with atomic_write(pathlib.Path(folder, f"{item[0]:05}.npz")) as file:
        np.savez(file, nodes=links[is_smaller], is_done=is_star.all())


def _is_done(path):
    with np.load(path) as arrays:
        return bool(arrays["is_done"])
