#!/usr/bin/env bash
# Everything that is to be measured on a machine with a GPU, in under eight minutes: what adapters there are, the tests,
# the adapter's roofs, whole training steps, every kernel in them, the ladder of kernels, and PyTorch on the same GPU.
#
#   bench/gpu.sh [OUT]               # default: bench/results/gpu-<date>; begin with OUT/summary.md
#   ADAPTER=software SMALL=1 bench/gpu.sh   # to try it without a GPU: the small preset alone, quicker readings
#
#   ADAPTER  hardware (default), or what else --adapter takes
#   SMALL=1  leaves out what takes a CPU adapter too long
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
small=${SMALL:-}
python=${PYTHON:-python3}
deadline=$((begin + ${LIMIT:-460}))
mkdir -p "$out"
: > "$out/parts.tsv"
shibori=(node dist-gpu/cli.mjs)

record() { printf '%s\t%s\t%s\n' "$@" | tee -a "$out/parts.tsv"; } # NAME WHAT-BECAME-OF-IT SECONDS

part() { # NAME SECONDS COMMAND...: runs at most so long; its output becomes NAME.txt
  local name=$1 limit=$2 left=$((deadline - SECONDS)) since=$SECONDS status=0
  shift 2
  if ((left < 10)); then
    record "$name" "no time left" 0
    return
  fi
  limit=$((limit < left ? limit : left))
  timeout --kill-after=5 "$limit" "$@" > "$out/$name.txt" 2>&1 || status=$?
  case $status in
    0) record "$name" ok $((SECONDS - since)) ;;
    124 | 137) record "$name" "out of time ($limit s)" $((SECONDS - since)) ;;
    *) record "$name" "failed (exit code $status)" $((SECONDS - since)) ;;
  esac
}

presets=(avatar-64 article-256 article-512-naive)
profiled=article-256
tests=(engine nn faceswap bench)
device=cuda
quick=()
ladder=()
if [ "$small" ]; then
  presets=(avatar-64)
  profiled=avatar-64
  tests=(nn)
  device=cpu
  quick=(--quick)
  ladder=(--op dense sum --rounds 3)
fi

part doctor 30 "${shibori[@]}" doctor
part tests 150 node dist-gpu/tests.mjs "${tests[@]}"
for preset in "${presets[@]}"; do
  part "bench-$preset" 90 "${shibori[@]}" bench --preset "$preset" --json "$out/bench-$preset.json" \
    --html "$out/bench-$preset.html" "${quick[@]}"
done

torch() { # PRESET [LAYOUT]
  local name=torch-$1${2:-}
  part "$name" 60 "$python" bench/peers/torch_step.py "$out/$1.json" --device "$device" ${2:+"-$2"} --json "$out/$name.json"
}
with_torch=
if ! "$python" -c 'import numpy, torch' 2> "$out/torch.txt"; then
  record torch "skipped: $python has no torch and numpy" 0
elif [ $device = cuda ] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  record torch "skipped: $python's torch sees no CUDA device" 0
else
  with_torch=1
fi
if [ $with_torch ]; then
  for preset in "${presets[@]}"; do
    "${shibori[@]}" inspect --preset "$preset" --json > "$out/$preset.json"
    torch "$preset"
  done
fi
part "profile-$profiled" 60 "${shibori[@]}" profile --preset "$profiled" --trace "$out/trace-$profiled.json"
part ladder 90 node dist-gpu/bench-kernels.mjs --json "$out/ladder.json" "${ladder[@]}"
if [ $with_torch ]; then
  for preset in "${presets[@]}"; do torch "$preset" -channels-last; done
fi

node dist-gpu/summary.mjs "$out" > "$out/summary.md"
cat "$out/summary.md"
if grep -qvP '\t(ok|skipped: .*)\t' "$out/parts.tsv"; then exit 1; fi
