#!/usr/bin/env bash
# Makes .venv from a lock file and installs this checkout into it. Quick, and without a network, when nothing changed.
#
#   scripts/setup.sh           the CPU lock, or whichever lock .venv was made from
#   GPU=1 scripts/setup.sh     the CUDA lock (GPU=0: back to the CPU lock)
#   PYTHON=python3.12 scripts/setup.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "setup: $1" >&2
  exit 1
}

python=${PYTHON:-python3}
stamp=.venv/.llmood-setup
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'

# .venv serves as long as its Python starts, is not too old, and its scripts were written for this folder.
if ! .venv/bin/python -c "$supported" 2>/dev/null || ! grep -qF "$(pwd -P)/.venv/bin/" .venv/bin/pip 2>/dev/null; then
  command -v "$python" >/dev/null || fail "$python not found: install Python 3.11 or newer, or name one with PYTHON=…"
  "$python" -c "$supported" 2>/dev/null ||
    fail "$("$python" --version 2>&1 || true) ($python) won't do: Python >=3.11,<3.15 is needed; name one with PYTHON=…"
  "$python" -m venv --clear .venv || fail "$python could not make .venv (on Debian: apt-get install python3-venv)"
fi

case ${GPU:-} in
  "") kind=$(cut -d' ' -f1 "$stamp" 2>/dev/null || echo cpu) ;;
  0) kind=cpu ;;
  1) kind=gpu ;;
  *) fail "GPU=$GPU is neither 0 nor 1" ;;
esac
lock=requirements/$kind.lock
[ -f "$lock" ] || fail "$lock is missing"

digest=$(.venv/bin/python - "$PWD" "$lock" pyproject.toml scripts/setup.sh <<'PY'
import hashlib, pathlib, sys
place, *files = sys.argv[1:]
total = hashlib.sha256(f"{place} {sys.version}".encode())
for name in files:
    total.update(hashlib.sha256(pathlib.Path(name).read_bytes()).digest())
print(total.hexdigest())
PY
)
if [ "$(cat "$stamp" 2>/dev/null)" = "$kind $digest" ] && [ -x .venv/bin/llmood ]; then
  exit 0
fi

echo "setup: installing $lock into .venv (a minute or two)" >&2
rm -f "$stamp"
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet --quiet install --progress-bar off --no-deps)
"${pip[@]}" -r "$lock" || fail "$lock could not be installed (pip's message is above)"
"${pip[@]}" --no-build-isolation -e . || fail "this checkout could not be installed into .venv (pip's message is above)"

# On Linux the index's torch is the CUDA build, which can't start without the packages that only gpu.lock has.
.venv/bin/python -c 'import torch' 2>/dev/null ||
  fail "torch was installed but can't be imported: for $lock, let pip find PyTorch's CPU wheels first (PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS), or use GPU=1"

echo "$kind $digest" >"$stamp"
echo "ready: . .venv/bin/activate"
