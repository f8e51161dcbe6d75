"""The sections of the accuracy report, in their order."""


def sections(*, seeds: int, training: bool) -> list[str]:
    """Return the titles of a report; `training`: whether it has a training split and training runs."""
    compared = ["Beside earlier works", "Beside trees on the same features"]
    left_out = ["Applications left out of training", "A codec never heard"]
    return [
        *("By flow", "Beside the goals"),
        *([f"{seeds} seeds"] if seeds else []),
        *(
            "By k",
            "Early and late",
            "By application, at the horizon",
            "What goes wrong",
            "Calibration",
            "Adversity",
        ),
        *([*compared, *left_out] if training else []),
        "Speed",
    ]
