#!/bin/sh
# Says whether a change is good to merge. CI runs it for every pull request; run it yourself before you push.
# Needs kubectl and kubectl-orderbridge, but no cluster.
set -u
cd "$(dirname "$0")" || exit 2
failed=0
for overlay in overlays/*; do
  mapping=base/mapping.yaml
  if [ -f "$overlay/mapping.yaml" ]; then mapping=$overlay/mapping.yaml; fi
  echo "== $overlay"
  kubectl orderbridge mapping lint "$mapping" --catalogue "$overlay/catalogue.json" --strict || failed=1
  kubectl orderbridge mapping test "$mapping" || failed=1
  kubectl kustomize "$overlay" > /dev/null || failed=1
done
exit $failed
