#!/usr/bin/env bash
# Runs the fuzz targets of the module, each for the time given as first argument. More arguments are the folders to stay
# in. FUZZFLAGS goes to go test as it is, such as -parallel=1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${1:-30s}
folders=("${@:2}")
((${#folders[@]})) || folders=(api cmd controllers internal)
grep -rl --include='*_test.go' '^func Fuzz' "${folders[@]}" | xargs -n1 dirname | sort -u | while read -r folder; do
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go | cut -d' ' -f2 | sort); do
		echo "fuzz: $folder $target for $time"
		# shellcheck disable=SC2086
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" ${FUZZFLAGS:-} "./$folder" </dev/null
	done
done
