"""Clusters of unknown flows in the embedding of the compact network (docs/results/unknowns.md says why).

The embedding is the space of the open-set score: whitened by the spread within known applications, so that what varies
from call to call of one application counts little, and what differs between applications counts much.
HDBSCAN (Campello et al. 2013) takes neither a number of clusters nor a scale, and leaves single flows out.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from callprint.core.declared.evidence_texts import declared_in
from callprint.core.evidence import EVIDENCE_RTP, split
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.verdict import FlowKey
from callprint.declared_names import shipped_names
from callprint.inference import OnnxIdentifier
from callprint.stores import UnknownEvidence, VerdictQuery, VerdictStore

LEAST_FLOWS = 5  # of a cluster
DENSITY_NEIGHBOURS = 2  # HDBSCAN's min_samples: small, since a rare application makes few calls
LEAST_PACKETS = 20  # a shorter flow shows too little to lie near others of its kind
MOST_FLOWS = 10_000  # the latest; the memory of clustering grows with their square
PERPLEXITY = 30.0  # of the map (t-SNE, van der Maaten and Hinton 2008)
DIGEST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class KeptFlow:
    """One unknown flow."""

    kept: UnknownEvidence
    digest: str  # short name of the flow
    codec: str  # of most packets: RFC 3551, or `dynamic 111`
    best_application: str  # what the model would guess
    confidence: float
    declared: str = ""  # the application that its packets declare; "" for none


@dataclass(frozen=True, slots=True)
class Cluster:
    """A candidate application."""

    name: str  # digest of its oldest flow: it stays while that flow is kept
    members: tuple[int, ...]  # into UnknownMap.flows, from the middle of the cluster outwards
    codecs: tuple[tuple[str, int], ...]  # codec and flows, the most frequent first
    guesses: tuple[tuple[str, int], ...]  # best guess of the model and flows
    hosts: int  # different senders
    declared: tuple[
        tuple[str, int], ...
    ] = ()  # application that flows declare, and flows; those that declare one


@dataclass(frozen=True, slots=True)
class UnknownMap:
    """The unknown flows that a store keeps, clustered."""

    flows: tuple[KeptFlow, ...]
    clusters: tuple[Cluster, ...]  # the largest first
    single: tuple[int, ...]  # flows in no cluster
    too_short: int  # flows left out
    embedding: np.ndarray  # (flows, F) float32


def flow_digest(flow: FlowKey) -> str:
    """Return the short name of a flow: the same in every process and store."""
    return hashlib.sha256("|".join(map(str, flow)).encode()).hexdigest()[:DIGEST_DIGITS]


def usual_codec(evidence: bytes) -> str:
    """Return the codec of most RTP packets of an evidence log: its name, or `dynamic` and the payload type."""
    records = split(np.frombuffer(evidence, np.uint8))
    types = Counter(
        payload[1] & 127 for _, kind, payload in records if kind == EVIDENCE_RTP and len(payload) > 1
    )
    if not types:
        return "none"
    payload_type = types.most_common(1)[0][0]
    return CODEC_NAMES.get(payload_type, f"dynamic {payload_type}")


def longest_of_each(kept: Iterable[UnknownEvidence]) -> tuple[list[UnknownEvidence], int]:
    """Return each flow's longest log, the oldest flow first, and how many flows are too short."""
    longest: dict[FlowKey, UnknownEvidence] = {}
    for found in kept:
        before = longest.get(found.flow)
        if before is None or found.k > before.k:
            longest[found.flow] = found
    enough = [found for found in longest.values() if found.k >= LEAST_PACKETS]
    latest = sorted(enough, key=lambda found: (found.decided_at_ns, found.flow))[-MOST_FLOWS:]
    return latest, len(longest) - len(enough)


def cluster_labels(embedding: np.ndarray) -> np.ndarray:
    """Return the cluster of each row, -1 for none; embedding: (n, F) float32."""
    if len(embedding) < LEAST_FLOWS:
        return np.full(len(embedding), -1)
    clusterer = HDBSCAN(min_cluster_size=LEAST_FLOWS, min_samples=DENSITY_NEIGHBOURS, copy=True)
    labels: np.ndarray = clusterer.fit_predict(embedding)
    return labels


def name_in(store: VerdictStore) -> Callable[[FlowKey], str]:
    """Return what tells which application packets or signalling declare, as a store has it; "" for none."""

    def name_of(flow: FlowKey) -> str:
        stored = next(iter(store.verdicts(VerdictQuery(flow=flow, limit=1))), None)
        return (stored.verdict.declared_application if stored else None) or ""

    return name_of


def unknown_map(
    kept: Iterable[UnknownEvidence],
    identifier: OnnxIdentifier,
    named: frozenset[str] = frozenset(),
    name_of: Callable[[FlowKey], str] = lambda _flow: "",
) -> UnknownMap:
    """Cluster what a store keeps. Raises ModelError when the network has no embedding.

    `named`: digests of flows that already have a name. They are clustered with the others, so that those stay in their
    clusters, and left out afterwards. `name_of`: what is declared elsewhere than in the evidence, as by `name_in`.
    """
    return without(whole_map(kept, identifier, name_of), named)


def whole_map(
    kept: Iterable[UnknownEvidence],
    identifier: OnnxIdentifier,
    name_of: Callable[[FlowKey], str] = lambda _flow: "",
) -> UnknownMap:
    """Cluster what a store keeps, flows that have a name among it. Raises ModelError as `unknown_map` does."""
    found, too_short = longest_of_each(kept)
    evidence, spans = _joined(found)
    embedding = identifier.embedding(evidence, spans)
    decisions = identifier.identify(evidence, spans)
    declared = declared_in(evidence, spans, shipped_names())
    flows = tuple(
        KeptFlow(
            each,
            flow_digest(each.flow),
            usual_codec(each.evidence),
            identifier.applications[int(application)],
            float(confidence),
            name_of(each.flow) or (declared[i].application if i in declared else ""),
        )
        for i, (each, application, confidence) in enumerate(
            zip(found, decisions.application, decisions.confidence, strict=True)
        )
    )
    labels = cluster_labels(embedding)
    groups = [np.flatnonzero(labels == i) for i in range(labels.max(initial=-1) + 1)]
    single = tuple(int(i) for i in np.flatnonzero(labels < 0))
    empty = UnknownMap(flows, (), single, too_short, embedding)
    return grouped(empty, [(oldest_digest(flows, members), members) for members in groups])


def grouped(found: UnknownMap, groups: Iterable[tuple[str, np.ndarray]]) -> UnknownMap:
    """Return a map with other clusters: a name and the ascending indices of the flows of each."""
    clusters = [_cluster(name, found.flows, found.embedding, members) for name, members in groups]
    clusters.sort(key=lambda cluster: (-len(cluster.members), cluster.name))
    return replace(found, clusters=tuple(clusters))


def without(found: UnknownMap, named: frozenset[str]) -> UnknownMap:
    """Return a map without the flows of these digests. Clusters keep their names."""
    rest = [i for i, flow in enumerate(found.flows) if flow.digest not in named]
    place = {old: new for new, old in enumerate(rest)}
    smaller = UnknownMap(
        tuple(found.flows[i] for i in rest),
        (),
        tuple(place[i] for i in found.single if i in place),
        found.too_short,
        found.embedding[np.array(rest, np.int64)],
    )
    left = [(each.name, sorted(place[i] for i in each.members if i in place)) for each in found.clusters]
    return grouped(smaller, [(name, np.array(members)) for name, members in left if members])


def oldest_digest(flows: Sequence[KeptFlow], members: np.ndarray) -> str:
    """Return the name of a cluster of these flows."""
    oldest = min((flows[i] for i in members), key=lambda flow: (flow.kept.flow.first_seen_ns, flow.digest))
    return oldest.digest


def _joined(found: Sequence[UnknownEvidence]) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum([len(each.evidence) for each in found], dtype=np.int64)
    starts = np.concatenate(([0], ends[:-1])) if len(ends) else ends
    buffer = np.frombuffer(b"".join(each.evidence for each in found), np.uint8)
    return buffer, np.column_stack([starts, ends]).astype(np.int64)


def _cluster(name: str, flows: Sequence[KeptFlow], embedding: np.ndarray, members: np.ndarray) -> Cluster:
    away = np.linalg.norm(embedding[members] - np.median(embedding[members], axis=0), axis=1)
    ordered = tuple(int(i) for i in members[np.argsort(away, kind="stable")])
    return Cluster(
        name,
        ordered,
        tuple(Counter(flows[i].codec for i in ordered).most_common()),
        tuple(Counter(flows[i].best_application for i in ordered).most_common()),
        len({flows[i].kept.flow.src_ip for i in ordered}),
        tuple(Counter(flows[i].declared for i in ordered if flows[i].declared).most_common()),
    )


def find_cluster(found: UnknownMap, name: str) -> Cluster | None:
    """Return the cluster of this name, or the one that holds the flow of this name: flows come and go."""
    for cluster in found.clusters:
        if name == cluster.name:
            return cluster
    for cluster in found.clusters:
        if any(found.flows[i].digest == name for i in cluster.members):
            return cluster
    return None


def flows_of_host(found: UnknownMap, address: str) -> tuple[int, ...]:
    """Return the flows that an address sent, in clusters or in none."""
    return tuple(i for i, flow in enumerate(found.flows) if flow.kept.flow.src_ip == address)


def flow_of_name(found: UnknownMap, name: str) -> tuple[int, ...]:
    """Return the one flow of this name, or none."""
    return tuple(i for i, flow in enumerate(found.flows) if flow.digest == name)


def positions(embedding: np.ndarray) -> np.ndarray:
    """Return positions on a map that keeps neighbours together, (n, 2) float64 within 0..1."""
    count = len(embedding)
    if count == 0:
        return np.zeros((0, 2))
    if count < 2 * LEAST_FLOWS:
        places = PCA(min(2, count)).fit_transform(embedding)
        places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    else:
        perplexity = min(PERPLEXITY, (count - 1) / 3)
        # Its threads wait for each other busily, a thousand times: beside other work on the cores 27 flows took 40 s,
        # with one thread 0.2 s. The picture depends on their number, too.
        with threadpool_limits(1):
            places = TSNE(perplexity=perplexity, init="pca", random_state=1).fit_transform(embedding)
    low, high = places.min(0), places.max(0)
    found: np.ndarray = (places - low) / np.maximum(high - low, 1e-9)
    return found
