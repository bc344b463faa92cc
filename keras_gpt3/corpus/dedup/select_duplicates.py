"""Selects the documents of each cluster to remove, and what they match."""

import collections
import dataclasses
import json
import pathlib

import numpy as np

from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.dedup.dedup_plan import OWN
from keras_gpt3.corpus.dedup.min_hash import mixed_bits
from keras_gpt3.corpus.pipeline.corpus_pipeline import corpus_pipeline
from keras_gpt3.corpus.pipeline.part_counts import length_bin
from keras_gpt3.needed_packages import import_extra

_Link = collections.namedtuple(
    "_Link", "node part row id similarity is_exact other other_part other_id"
)


@dataclasses.dataclass(frozen=True)
class SelectDuplicates:
    """Writes for each part which of its documents are removed, and why.

    Of a cluster stays the document with the smallest number, a hash of its
    source and id: the choice depends on no order, no worker and no other
    document, and favours no length. A document that others are only compared
    with (of another data set, or of an index) comes before all others, so that
    of its cluster nothing else stays.
    """

    parts: tuple
    folder: str
    num_blocks: int

    def drops_path(self, number):
        """The path of a part's duplicates; there is none if all stay."""
        return str(pathlib.Path(self.folder, f"drops-{number:05}.json"))

    def run(self, pairs, components, options):
        """Run the pipeline."""
        beam = import_extra("apache_beam")
        with corpus_pipeline(options) as pipeline:
            links = (
                pipeline
                | "Pairs" >> beam.Create(pairs)
                | "Links" >> beam.FlatMap(self._links)
            )
            centers = (
                pipeline
                | "Components" >> beam.Create(components)
                | "Centers" >> beam.FlatMap(self._centers)
            )
            _ = (
                (links, centers)
                | beam.Flatten()
                | "By document" >> beam.GroupByKey()
                | "Best link" >> beam.FlatMap(self._members)
                | "By cluster" >> beam.GroupByKey()
                | "Drop" >> beam.FlatMap(self._drops)
                | "By part" >> beam.GroupByKey()
                | "Write" >> beam.Map(self._write)
            )
        return self._cluster_sizes()

    def _links(self, path):
        """Each pair, as a link of either document."""
        with np.load(path) as arrays:
            pairs, similarities = arrays["pairs"], arrays["similarities"]
            ids = json.loads(arrays["ids"].tobytes())
        columns = [
            pairs["nodes"].tolist(),
            pairs["parts"].tolist(),
            pairs["rows"].tolist(),
            ids,
        ]
        values = similarities.tolist(), pairs["is_exact"].tolist()
        links = []
        for nodes, parts, rows, names, similarity, is_exact in zip(
            *columns, *values, strict=True
        ):
            for one, two in ((0, 1), (1, 0)):
                own = nodes[one], parts[one], rows[one], names[one]
                other = nodes[two], parts[two], names[two]
                links.append(_Link(*own, similarity, is_exact, *other))
        yield from self._scatter(links, [link.node for link in links])

    def _centers(self, path):
        """Each node with the smallest one of its cluster."""
        with np.load(path) as arrays:
            nodes = arrays["nodes"].tolist()
        yield from self._scatter(nodes, [node for node, _ in nodes])

    def _members(self, item):
        """Of each document the link to what is most like it, by cluster."""
        best, centers = {}, {}
        for value in (value for values in item[1] for value in values):
            if not isinstance(value, _Link):
                centers[value[0]] = value[1]
            elif value.node not in best or _order(value) < _order(
                best[value.node]
            ):
                best[value.node] = value
        members = [(centers.get(node, node), best[node]) for node in best]
        yield from self._scatter(members, [center for center, _ in members])

    def _drops(self, item):
        """What is removed, by part; count clusters on the way."""
        clusters = collections.defaultdict(list)
        for members in item[1]:
            for center, link in members:
                clusters[center].append(link)
        sizes = collections.Counter(
            length_bin(len(links)) for links in clusters.values()
        )
        write_json(pathlib.Path(self.folder, f"sizes-{item[0]:05}.json"), sizes)
        drops = collections.defaultdict(list)
        for center, links in clusters.items():
            kept = next(link for link in links if link.node == center)
            for link in links:
                if link.node != center and link.node >= OWN:
                    drops[link.part].append(self._drop(link, kept))
        yield from drops.items()

    def _drop(self, link, kept):
        part = self.parts[kept.part]
        if part.drops is not None:
            reason = "in the index"
        elif kept.node < OWN:
            reason = f"in {part.source}"
        else:
            reason = ("near duplicate", "exact duplicate")[link.is_exact]
        return {
            "row": link.row,
            "reason": reason,
            "matched": link.other_id,
            "similarity": round(link.similarity, 4),
            "kept": kept.id,
        }

    def _write(self, item):
        number, lists = item
        drops = [drop for drops in lists for drop in drops]
        drops.sort(key=lambda drop: drop["row"])
        write_json(self.drops_path(number), drops)

    def _cluster_sizes(self):
        sizes = collections.Counter()
        for path in pathlib.Path(self.folder).glob("sizes-*.json"):
            sizes.update(json.loads(path.read_bytes()))
        return dict(sorted(sizes.items(), key=lambda item: int(item[0])))

    def _scatter(self, values, nodes):
        """Yield pairs of a block's number and the values of its nodes."""
        blocks = collections.defaultdict(list)
        numbers = mixed_bits(nodes) % np.uint64(self.num_blocks)
        for number, value in zip(numbers.tolist(), values, strict=True):
            blocks[number].append(value)
        yield from blocks.items()


def _order(link):
    """Equal texts first, then the most similar; ties by the other's number."""
    return not link.is_exact, -link.similarity, link.other
