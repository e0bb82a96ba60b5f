#!/usr/bin/env bash
# Makes ready, on a machine with npm, what bench/gpu.sh needs on a machine with a GPU and without npm.
#
#   bench/gpu-pack.sh [PACK]
#
# PACK is a script that fills .gpu/ with node, Dawn's binding (npm webgpu) and the Vulkan loader, and with .gpu/enter,
# which sets them up over there. Without it the other machine must have them: node from 20.19, node_modules/webgpu and
# libvulkan.so.1. What is to be copied is printed, with its size, which must stay within 64 MiB.
set -euo pipefail
pack=$(realpath "${1:-/dev/null}")
cd "$(dirname "$0")/.."
if [ ! -d node_modules ]; then npm ci --no-audit --no-fund; fi
node bench/gpu/bundle.mjs
if [ "$pack" != /dev/null ]; then "$pack"; fi

mebibytes() { du --apparent-size --block-size=1M --total "$@" | tail -1 | cut -f1; }
tracked=$(git ls-files -z | mebibytes --files0-from=-)
bundled=$(mebibytes dist-gpu)
packed=0
if [ -d .gpu ]; then packed=$(mebibytes .gpu); fi
total=$((tracked + bundled + packed))
echo "copy the tracked files ($tracked MiB), dist-gpu ($bundled MiB) and .gpu ($packed MiB): $total MiB in all"
echo "there: bench/gpu.sh OUT"
if ((total > 64)); then
  echo "bench/gpu-pack.sh: $total MiB is more than 64 MiB" >&2
  exit 1
fi
