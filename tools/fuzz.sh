#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each, and stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | awk '{ print $2 }' | sort -u | while read -r target; do
		echo "fuzz $dir $target"
		go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" | tail -n 2
	done
done
