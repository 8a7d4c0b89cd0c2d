#!/usr/bin/env bash
# Trains the models, serves them, and runs Fairlead's tests against the server, over REST and gRPC.
#
# The locked requirements go into a virtual environment below .tmp, once: on Linux some 3 GB are fetched, 6 GB on the
# disk, because torch comes with CUDA. VENV names an environment to take instead, as it is; PYTHON the Python to make one with.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")"
root=$(realpath ../..)
work=$root/.tmp/pytorch
venv=${VENV:-$work/venv}
export PYTHONDONTWRITEBYTECODE=1

say() { echo "check.sh: $*" >&2; }

mkdir -p "$work"
locked=$(sha256sum <requirements.txt)
if [ -z "${VENV:-}" ] && [ "$(cat "$venv/locked" 2>/dev/null)" != "$locked" ]; then
	python=${PYTHON:-python3}
	"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { say "$python is no Python 3.11 to 3.13: name one in PYTHON"; exit 1; }
	began=$SECONDS
	"$python" -m venv --clear "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r requirements.txt
	echo "$locked" >"$venv/locked"
	say "installed in $((SECONDS - began)) s"
fi

"$venv/bin/python" -m unittest
rm -rf "$work/model" "$work/addresses"
"$venv/bin/python" train.py --out "$work/model"

"$venv/bin/python" serve.py --model "$work/model" --http-port 0 --grpc-port 0 --addresses "$work/addresses" 2>"$work/serve.log" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for ((tries = 0; tries < 600; tries++)); do
	[ ! -e "$work/addresses" ] || break
	kill -0 "$server" 2>/dev/null || { cat "$work/serve.log" >&2; say "the server ended"; exit 1; }
	sleep 0.2
done
{ read -r rest && read -r grpc; } <"$work/addresses"
say "serving at $rest and $grpc"

export FAIRLEAD_TEST_OIP_URL=$rest FAIRLEAD_TEST_OIP_GRPC=$grpc FAIRLEAD_TEST_OIP_MODEL=$work/model
(cd "$root" && ${GO:-go} test ./providers/openinference ./cmd/fairlead -run '^TestLive|^TestPyTorch' -count=1 "$@")

kill -TERM "$server"
wait "$server" || { tail -n 20 "$work/serve.log" >&2; say "the server did not end well"; exit 1; }
trap - EXIT
# What many ask at once must have run together.
grep -E 'calls in [0-9]+ batches$' "$work/serve.log" >&2
[ "$(awk '/calls in [0-9]+ batches$/ && $(NF-1) < $(NF-4) { n++ } END { print n + 0 }' "$work/serve.log")" = 2 ] || { say "nothing was batched"; exit 1; }
