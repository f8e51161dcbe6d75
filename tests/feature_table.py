"""The feature table of docs/use/spit.md, made from the one table in the code.

python tests/feature_table.py          prints it
"""

from callprint.core.spam.features import END, FEATURES

HEADER = "| no. | feature | unit | known | source | scale | definition |\n|---|---|---|---|---|---|---|"
KNOWN = {END: "end"}


def feature_table() -> str:
    """Return the table in Markdown, one line for each feature in column order; numbers as in the paper, from 1."""
    lines = [
        f"| {feature + 1} | `{feature.column}` | {feature.unit or '–'} | {KNOWN.get(feature.known, 'set-up')} "
        f"| {feature.source} | {'log' if feature.log else 'linear'} | {feature.definition} |"
        for feature in FEATURES
    ]
    return "\n".join([HEADER, *lines])


if __name__ == "__main__":
    print(feature_table())
