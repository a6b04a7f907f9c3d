#!/usr/bin/env bash
# Install Prometheus and promtool from Debian's packages. Does nothing where both are there; needs root or sudo if not.
set -euo pipefail
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
  promtool --version | head -n 1
  exit 0
fi
as_root=()
[[ $(id -u) -eq 0 ]] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" apt-get install --quiet --yes --no-install-recommends prometheus
promtool --version | head -n 1
