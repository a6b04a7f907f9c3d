#!/usr/bin/env bash
# Install PostgreSQL from Debian's packages. Does nothing where it is there; needs root or sudo if not.
set -euo pipefail
if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  ls -d /usr/lib/postgresql/*
  exit 0
fi
as_root=()
[[ $(id -u) -eq 0 ]] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" apt-get install --quiet --yes --no-install-recommends postgresql
ls -d /usr/lib/postgresql/*
