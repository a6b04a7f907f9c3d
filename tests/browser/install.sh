#!/usr/bin/env bash
# Install Chromium from Debian's packages. Does nothing where it is there; needs root or sudo if not.
set -euo pipefail
if command -v chromium >/dev/null; then
  chromium --version
  exit 0
fi
as_root=()
[[ $(id -u) -eq 0 ]] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" apt-get install --quiet --yes --no-install-recommends chromium
chromium --version
