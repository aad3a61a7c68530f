#!/usr/bin/env bash
# Measures what idle and slow connections cost an edge, and writes it into RESULTS.md. Arguments go to
# cmd/idle; see -help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
make -s -C .. build
go build -o ../bin/idle ./cmd/idle
exec ../bin/idle "$@"
