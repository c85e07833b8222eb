#!/usr/bin/env bash
# Runs every fuzz target of the module for the time given as argument.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${1:-30s}
grep -rl --include='*_test.go' '^func Fuzz' api cmd controllers internal | xargs -n1 dirname | sort -u | while read -r folder; do
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go | cut -d' ' -f2 | sort); do
		echo "fuzz: $folder $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$folder"
	done
done
