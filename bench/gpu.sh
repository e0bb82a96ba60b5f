#!/usr/bin/env bash
# Everything that is to be measured on a machine with a GPU, in under eight minutes: what adapters there are, the tests,
# the adapter's roofs, whole training steps, every kernel in them, the ladder of kernels, and PyTorch on the same GPU.
#
#   bench/gpu.sh [OUT]               # default: bench/results/gpu-<date>; begin with OUT/summary.md
#   ADAPTER=software SMALL=1 bench/gpu.sh   # to try it without a GPU: the small preset alone, quicker readings
#
#   ADAPTER  hardware (default), or what else --adapter takes
#   SMALL=1  leaves out what takes a CPU adapter too long, gives the rest more time, and runs PyTorch on the CPU
#   LIMIT    seconds for everything (default 460); what does not begin in time is left out, and the summary says so
#   PYTHON   a python with torch and numpy (default python3); without them that part is skipped
#
# Needs Linux and either npm's packages (npm ci), or what bench/gpu-pack.sh has packed: see bench/README.md. A part that
# fails or runs out of its time is recorded and the rest goes on; the exit code is 1 if any did. Nothing else should run.
set -euo pipefail
begin=$SECONDS
out=$(realpath -m "${1:-$(dirname "$0")/results/gpu-$(date -u +%Y-%m-%dT%H%M%S)}")
cd "$(dirname "$0")/.."
if [ -e .gpu/enter ]; then . .gpu/enter; fi
if [ -d node_modules/esbuild ]; then node bench/gpu/bundle.mjs; fi
if [ ! -e dist-gpu/cli.mjs ]; then
  echo "bench/gpu.sh: dist-gpu/ is missing: run npm ci first, or bench/gpu-pack.sh on a machine with npm" >&2
  exit 2
fi

export SHIBORI_ADAPTER=${ADAPTER:-hardware}
python=${PYTHON:-python3}
shibori=(node dist-gpu/cli.mjs)
if [ "${SMALL:-}" ]; then
  presets=(avatar-64) profiled=avatar-64 tests=(nn) quick=(--quick) ladders=(dense sum)
  device=cpu threads=(--threads "$(nproc)") patience=4 limit=${LIMIT:-1800}
else
  presets=(avatar-64 article-256 article-512-naive) profiled=article-256 tests=() quick=()
  ladders=(conv2d conv2dWeightGrad convTranspose2d dense sum)
  device=cuda threads=() patience=1 limit=${LIMIT:-460}
fi
deadline=$((begin + limit))
mkdir -p "$out"
: > "$out/parts.tsv"

record() { printf '%s\t%s\t%s\n' "$@" | tee -a "$out/parts.tsv"; } # NAME WHAT-BECAME-OF-IT SECONDS

part() { # NAME SECONDS COMMAND...: runs at most so long; its output becomes NAME.txt
  local name=$1 most=$(($2 * patience)) left=$((deadline - SECONDS)) since=$SECONDS status=0
  shift 2
  if ((left < 10)); then
    record "$name" "no time left" 0
    return
  fi
  most=$((most < left ? most : left))
  # Through a pipe: only on one can Dawn's native warnings be held back (src/platform/quiet.ts).
  timeout --kill-after=5 "$most" "$@" 2>&1 | cat > "$out/$name.txt" || status=$?
  case $status in
    0) record "$name" ok $((SECONDS - since)) ;;
    124 | 137) record "$name" "out of time ($most s)" $((SECONDS - since)) ;;
    *) record "$name" "failed (exit code $status)" $((SECONDS - since)) ;;
  esac
}

torch= # why PyTorch does not run
if ! timeout 60 "$python" -c 'import numpy, torch' 2> /dev/null; then
  torch="skipped: $python has no torch with numpy"
elif [ $device = cuda ] && ! timeout 60 "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  torch="skipped: the torch of $python sees no CUDA device"
fi
describe() { # PRESET: what torch_step.py reads
  part "inspect-$1" 20 bash -c 'node dist-gpu/cli.mjs inspect --preset "$1" --json > "$2"' - "$1" "$out/$1.json"
}
beside() { # PRESET [LAYOUT]
  local name=torch-$1${2:-}
  part "$name" 45 "$python" bench/peers/torch_step.py "$out/$1.json" --device $device "${threads[@]}" ${2:+"-$2"} \
    --json "$out/$name.json"
}

part doctor 30 "${shibori[@]}" doctor
part tests 120 node dist-gpu/tests.mjs "${tests[@]}"
if [ "$torch" ]; then record torch "$torch" 0; fi
for preset in "${presets[@]}"; do
  part "bench-$preset" 90 "${shibori[@]}" bench --preset "$preset" "${quick[@]}" \
    --json "$out/bench-$preset.json" --html "$out/bench-$preset.html"
  if [ ! "$torch" ]; then describe "$preset" && beside "$preset"; fi
done
part "profile-$profiled" 60 "${shibori[@]}" profile --preset "$profiled" --trace "$out/trace-$profiled.json"
for op in "${ladders[@]}"; do
  part "ladder-$op" 60 node dist-gpu/bench-kernels.mjs --op "$op" --rounds 3 --json "$out/ladder-$op.json"
done
# Last, since it is the least that would be missed.
if [ ! "$torch" ]; then for preset in "${presets[@]}"; do beside "$preset" -channels-last; done; fi

node dist-gpu/summary.mjs "$out" > "$out/summary.md"
cat "$out/summary.md"
if grep -qvP '\t(ok|skipped: .*)\t' "$out/parts.tsv"; then exit 1; fi
