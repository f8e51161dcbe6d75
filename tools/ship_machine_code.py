"""Put machine code for x86-64-v3 into the package, so that a wheel starts at once (ADR 0013): `make wheel`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from callprint import compile_ahead, machine_code


def main() -> int:
    """Compile everything anew, and keep the files of each module under its name and digest."""
    if machine_code.processor_named() != machine_code.PROCESSOR:
        print(f"this processor cannot run {machine_code.PROCESSOR}: no machine code to ship", file=sys.stderr)
        return 1
    shutil.rmtree(machine_code.SHIPPED, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "callprint", "warm-up"],
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
        )
        for ready in Path(folder).glob("ready-*"):
            machine_code.SHIPPED.mkdir(exist_ok=True)
            shutil.copy(ready, machine_code.SHIPPED)
        for kept in sorted(path for path in Path(folder).iterdir() if path.is_dir()):
            module, _, digest = kept.name.rsplit("-", 2)  # with the place of this installation between them
            (files,) = kept.iterdir()
            shutil.copytree(files, machine_code.SHIPPED / f"{module}-{digest}")
    (machine_code.SHIPPED / compile_ahead.mark_name()).touch()
    size = sum(path.stat().st_size for path in machine_code.SHIPPED.rglob("*") if path.is_file())
    print(f"{machine_code.SHIPPED}: {size / 1e6:.1f} MB of machine code")
    return 0


if __name__ == "__main__":
    sys.exit(main())
