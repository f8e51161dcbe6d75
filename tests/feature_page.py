"""The tables of docs/how/features.md, made from the list in the code.

PYTHONPATH=src python tests/feature_page.py          prints them
"""

from callprint.core.identify.feature_list import FEATURES

HEADER = "| feature | unit | meaning |\n|---|---|---|"


def feature_tables() -> str:
    """Return a Markdown table for each group, one line for each field in column order."""
    parts = []
    for group, features in FEATURES.items():
        lines = [
            f"| {', '.join(f'`{name}`' for name in feature.columns)} | {feature.unit} | {feature.meaning} |"
            for feature in features
        ]
        parts.append("\n".join([f"## {group}\n", HEADER, *lines]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(feature_tables())
