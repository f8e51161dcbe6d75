#!/bin/sh
# Sets up .venv with callprint and the named extras: tools/setup.sh cpu,test
# Quick when nothing has changed: a stamp in .venv remembers what was installed from which files.
set -eu
cd "$(dirname "$0")/.."
extras=${1:?which extras? for example: tools/setup.sh cpu}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || {
    say "callprint needs Python 3.11, 3.12 or 3.13 as '$python'; name another one with PYTHON=... make ..."
    exit 1
}

case ",$extras," in
*,cpu,*gpu,* | *,gpu,*cpu,*)
    say "cpu and gpu are the same module, once without and once with CUDA: name one of them"
    exit 2
    ;;
esac

if [ ! -x .venv/bin/python ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        sh tools/debian_packages.sh python3-venv
    fi
    "$python" -m venv .venv
fi

wanted=$(cat pyproject.toml setup.py constraints.txt overrides.txt | cksum)
# One line for each extra that is installed, with the checksum of the files it was installed from.
missing=""
for extra in $(echo "$extras" | tr ',' ' '); do
    grep -qxs "$extra $wanted" .venv/callprint-extras || missing="$missing $extra"
done
[ -n "$missing" ] || exit 0

[ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet "$(grep '^uv==' constraints-tools.txt)"
# Everything that was wanted before stays, so that `make run` does not undo what `make test` needs.
before=$(sed 's/ .*//' .venv/callprint-extras 2>/dev/null | sort -u | tr '\n' ' ')
# ONNX Runtime is the exception: its packages for the CPU and for a GPU own one module, so one replaces the other.
swap() {
    case " $before " in *" $1 "*) ;; *) return 0 ;; esac
    say "removing $3 (extra $1), as $4 (extra $2) takes its place"
    .venv/bin/uv pip uninstall --quiet --python .venv/bin/python "$3"
    before=$(echo "$before" | tr ' ' '\n' | grep -vx "$1" | tr '\n' ' ')
}
case ",$extras," in
*,gpu,*) swap cpu gpu onnxruntime onnxruntime-gpu ;;
*,cpu,*) swap gpu cpu onnxruntime-gpu onnxruntime ;;
esac
all=$(echo "$before $(echo "$extras" | tr ',' ' ')" | tr ' ' '\n' | sed '/^$/d' | sort -u | paste -sd, -)
say "setting up .venv with callprint[$all]"
.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --constraint constraints.txt --override overrides.txt --editable ".[$all]"
# An editable install finds its packages after Python has looked through its path: in the folder above the clone, a clone
# named `callprint` would pass for the package. A line in the path comes first.
.venv/bin/python -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("purelib"), "callprint-source.pth"), "w").write(os.path.abspath("src") + "\n")'
: > .venv/callprint-extras
for extra in $(echo "$all" | tr ',' ' '); do
    echo "$extra $wanted" >> .venv/callprint-extras
done
