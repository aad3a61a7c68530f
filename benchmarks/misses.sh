#!/usr/bin/env bash
# Measures what a redirect costs an edge that has to ask a link shard, beside one out of its memory, and
# writes it into RESULTS.md. Arguments go to cmd/misses; see -help. Needs: apt-get install redis-server wrk
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for program in redis-server wrk; do
	command -v "$program" >/dev/null || { echo "misses.sh needs $program: apt-get install redis-server wrk" >&2; exit 1; }
done
make -s -C .. build
go build -o ../bin/misses ./cmd/misses
exec ../bin/misses "$@"
