"""Put machine code for x86-64-v3 into the package, so that a wheel starts at once (ADR 0013): `make wheel`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from callprint.machine_code import ahead, keeping


def main() -> int:
    """Compile everything anew, and keep the files of each module under its name and digest."""
    if keeping.processor_named() != keeping.PROCESSOR:
        print(f"this processor cannot run {keeping.PROCESSOR}: no machine code to ship", file=sys.stderr)
        return 1
    shutil.rmtree(keeping.SHIPPED, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "callprint", "warm-up"],
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
        )
        for ready in Path(folder).glob("ready-*"):
            keeping.SHIPPED.mkdir(exist_ok=True)
            shutil.copy(ready, keeping.SHIPPED)
        for kept in sorted(path for path in Path(folder).iterdir() if path.is_dir()):
            module, _, digest = kept.name.rsplit("-", 2)  # with the place of this installation between them
            (files,) = kept.iterdir()
            shutil.copytree(files, keeping.SHIPPED / f"{module}-{digest}")
    (keeping.SHIPPED / ahead.mark_name()).touch()
    size = sum(path.stat().st_size for path in keeping.SHIPPED.rglob("*") if path.is_file())
    print(f"{keeping.SHIPPED}: {size / 1e6:.1f} MB of machine code")
    return 0


if __name__ == "__main__":
    sys.exit(main())
