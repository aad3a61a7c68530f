#!/bin/sh
# Brings patterns.json and LICENSE up to the newest isbot (https://isbot.js.org), which is in the public
# domain. Run by `go generate`; needs npm and node. The tests say which new patterns need a hand.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd "$scratch" && npm pack --silent isbot >/dev/null && tar xzf isbot-*.tgz)
cp "$scratch/package/LICENSE" LICENSE
node -e 'console.log(JSON.stringify(require(process.argv[1]).list, null, "\t"))' "$scratch/package/index.js" >patterns.json
