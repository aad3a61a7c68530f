#!/usr/bin/env bash
# Measures what a redirect costs beside nginx, and writes it into RESULTS.md. Arguments go to
# cmd/redirect; see -help. Needs two cores, and: apt-get install nginx wrk
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for program in nginx wrk taskset; do
	command -v "$program" >/dev/null || { echo "redirect.sh needs $program: apt-get install nginx wrk util-linux" >&2; exit 1; }
done
make -s -C .. build
go build -o ../bin/redirect ./cmd/redirect
exec ../bin/redirect "$@"
