#!/usr/bin/env bash
# Builds the development control plane into the folder $1: $1/devcluster, and links to it named etcd, kube-apiserver and
# kubectl in $1/k8s. The first build compiles Kubernetes and takes minutes; it says how far it is.
set -euo pipefail

bin=$1
out=$bin/devcluster
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$bin/k8s"

say() { echo "devcluster: $*"; }

stale() {
	[[ ! -x $out ]] || [[ -n $(find "$source" \( -name '*.go' -o -name 'go.*' \) -newer "$out") ]]
}

# progress counts the package paths that go build -v prints, one as each is compiled, and shows everything else.
progress() {
	local total=$1 count=0 shown=$SECONDS line status
	while true; do
		status=0
		IFS= read -r -t 10 line || status=$?
		if ((status == 0)); then
			if [[ $line =~ ^[a-z0-9][A-Za-z0-9._~/-]*$ ]]; then ((++count)); else echo "$line"; fi
		elif ((status < 128)); then
			break # the end of the output; above 128 it was only the time
		fi
		if ((SECONDS - shown >= 10)); then
			shown=$SECONDS
			say "$count of at most $total packages compiled, $SECONDS s"
		fi
	done
	say "$count packages compiled and linked in $SECONDS s"
}

build() {
	local version total ldflags package major minor
	version=$(go -C "$source" list -m -f '{{.Version}}' k8s.io/kubernetes)
	total=$(go -C "$source" list -deps . | wc -l)
	say "building etcd, kube-apiserver and kubectl $version from source;" \
		"about six minutes on two cores, seconds when the Go build cache has them"

	major=${version#v} major=${major%%.*}
	minor=${version#v*.} minor=${minor%%.*}
	ldflags="-s -w"
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		ldflags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
		ldflags+=" -X $package.gitTreeState=clean"
	done
	SECONDS=0
	go -C "$source" build -v -ldflags "$ldflags" -o "$PWD/$out.new" . 2>&1 9>&- | progress "$total"
	mv "$out.new" "$out"
}

# Two builds at once would only take each other's processor time.
if command -v flock >/dev/null; then
	exec 9>"$bin/.devcluster.lock"
	flock -n 9 || { say "another build is running, waiting for it" && flock 9; }
fi
if stale; then build; fi
for name in etcd kube-apiserver kubectl; do
	ln -sf ../devcluster "$bin/k8s/$name"
done
