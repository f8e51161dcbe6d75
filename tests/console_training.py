"""A program in the place of `callprint train`: it says epochs, waits, and writes a copy of the shipped network."""

import shutil
import sys
import time
from pathlib import Path

from callprint.model_files import DEFAULT_MODEL


def main() -> None:
    """Behave as a training of three rounds; files in the folder of the network say when to go on, and how it ends."""
    asked = sys.argv[1:]
    out = Path(asked[asked.index("--out") + 1])
    print("training", flush=True)
    for epoch in (1, 2):
        print(f"epoch {epoch}/3  loss 1.000  accuracy 0.500", flush=True)
    while not (out.parent / "go").exists():
        time.sleep(0.02)
    if (out.parent / "fail").exists():
        sys.exit("callprint: error: no good <script>document.title='owned'</script>")
    shutil.copy(DEFAULT_MODEL, out)
    card = DEFAULT_MODEL.with_suffix(".json").read_text()
    version = asked[asked.index("--model-version") + 1]
    card = card.replace('"compact"', '"own"').replace('"version": "6"', f'"version": "{version}"')
    out.with_suffix(".json").write_text(card.replace("compact.onnx", out.name))


if __name__ == "__main__":
    main()
