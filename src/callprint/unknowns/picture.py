"""The map of unknown flows as SVG: one mark for each flow, one colour and one letter for each cluster."""

from collections.abc import Mapping
from html import escape
from string import ascii_uppercase

import numpy as np

from callprint.output.console import endpoint, printable, quantity
from callprint.unknowns.clusters import UnknownMap, positions

COLOURS = ("#1f6fb4", "#d1603d", "#3c8d5a", "#8a5fb0", "#b58a1c", "#2a9d9d", "#c2457f", "#6b7a2f")
SINGLE_COLOUR = "#b4bcc6"
WIDTH, HEIGHT, MARGIN, LEGEND_WIDTH, LINE = 560, 520, 24, 320, 22
RADIUS = 5


def cluster_letter(number: int) -> str:
    """Return A, B, ..., Z, AA, AB, ... for cluster 0, 1, ..."""
    letters = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, len(ascii_uppercase))
        letters = ascii_uppercase[digit] + letters
    return letters


def map_svg(
    found: UnknownMap, names: Mapping[str, str] | None = None, points: np.ndarray | None = None
) -> str:
    """Return the picture. `names`: what to write beside a cluster, by the cluster's name.

    `points`: where each flow is, (flows, 2) float64 within 0..1; by default they are found here.
    """
    points = positions(found.embedding) if points is None else points
    height = max(HEIGHT, 2 * MARGIN + LINE * (len(found.clusters) + 2))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEGEND_WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH + LEGEND_WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH + LEGEND_WIDTH}" height="{height}" fill="white"/>',
    ]
    marks = [(i, SINGLE_COLOUR, "") for i in found.single]
    for number, cluster in enumerate(found.clusters):
        colour = COLOURS[number % len(COLOURS)]
        marks += [(i, colour, cluster_letter(number)) for i in cluster.members]
    for i, colour, letter in marks:
        x = MARGIN + points[i, 0] * (WIDTH - 2 * MARGIN)
        y = MARGIN + points[i, 1] * (height - 2 * MARGIN)
        flow = found.flows[i].kept.flow
        who = f"{endpoint(flow.src_ip, flow.src_port)} → {endpoint(flow.dst_ip, flow.dst_port)}"
        title = f"{letter or 'single'}: {who}, {found.flows[i].codec}, flow {found.flows[i].digest}"
        lines.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{colour}" fill-opacity="0.65">'
            f"<title>{escape(printable(title))}</title></circle>"
        )
    for number, cluster in enumerate(found.clusters):
        x = MARGIN + points[list(cluster.members), 0].mean() * (WIDTH - 2 * MARGIN)
        y = MARGIN + points[list(cluster.members), 1].mean() * (height - 2 * MARGIN)
        lines.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" dominant-baseline="central" font-size="17" '
            f'font-weight="bold" stroke="white" stroke-width="4" paint-order="stroke">{cluster_letter(number)}</text>'
        )
    lines += _legend(found, names or {})
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend(found: UnknownMap, names: Mapping[str, str]) -> list[str]:
    lines = []
    rows = [
        (
            COLOURS[number % len(COLOURS)],
            f"{cluster_letter(number)}  {cluster.name}: {quantity(len(cluster.members), 'flow')}, "
            f"{cluster.codecs[0][0]}"
            + (f" +{len(cluster.codecs) - 1}" if len(cluster.codecs) > 1 else "")
            + (f" ({names[cluster.name]})" if cluster.name in names else ""),
        )
        for number, cluster in enumerate(found.clusters)
    ]
    if found.single:
        rows.append((SINGLE_COLOUR, f"in no cluster: {quantity(len(found.single), 'flow')}"))
    for at, (colour, text) in enumerate(rows):
        y = MARGIN + LINE * (at + 0.5)
        lines.append(f'<circle cx="{WIDTH + 6}" cy="{y:.1f}" r="{RADIUS + 1}" fill="{colour}"/>')
        lines.append(
            f'<text x="{WIDTH + 20}" y="{y:.1f}" dominant-baseline="central">{escape(printable(text))}</text>'
        )
    return lines
