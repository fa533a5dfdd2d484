#!/usr/bin/env bash
# A picture of the top of a report, for the README: scripts/screenshot.sh runs/demo/report.html docs/report.png [height]
# Needs chromium (apt-get install chromium fonts-inter fonts-sil-charis) and a run's report.html.
set -euo pipefail

page=$(realpath "$1")
picture=$(realpath -m "$2")
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars \
  --disable-background-networking --disable-component-update --disable-sync \
  --blink-settings=preferredColorScheme=1 --user-data-dir="$profile" \
  --window-size="1200,${3:-1190}" --screenshot="$picture" "file://$page" 2>/dev/null
ls -l "$picture"
