#!/usr/bin/env bash
# Fails, and says which files, if generated files are stale, Go files are not formatted, or a go.mod of the modules named
# as arguments is not tidy. The working tree is not touched: everything is regenerated in a copy of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
complain() {
	failed=1
	echo "verify: $1" >&2
}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard --deduplicate | while IFS= read -r file; do
	if [[ -e $file ]]; then printf '%s\0' "$file"; fi
done | tar --null --files-from=- -cf - | tar -xf - -C "$copy"
mkdir -p "$copy/bin"
cp -Rp bin/tools "$copy/bin/tools"
cp -Rp "$copy" "$copy.before"
trap 'rm -rf "$copy" "$copy.before"' EXIT

echo "verify: generated files"
make --no-print-directory -C "$copy" generate >/dev/null
while IFS= read -r file; do
	file=${file#"$copy.before/"}
	complain "stale, run make generate: ${file#"$copy/"}"
done < <(git diff --no-index --name-only "$copy.before" "$copy" || true)

echo "verify: formatting"
while IFS= read -r file; do
	complain "not formatted, run gofmt -w $file"
done < <(cd "$copy.before" && find . -name '*.go' -not -path '*/node_modules/*' -not -path '*/testdata/*' -exec gofmt -l {} +)

echo "verify: go.mod files"
for module in "$@"; do
	go -C "$module" mod tidy -diff || complain "not tidy, run go -C $module mod tidy"
done

exit $failed
