#!/usr/bin/env bash
# Measures durable creates a second, on embedded stores or with -fleet on PostgreSQL and Redis, and writes
# it into RESULTS.md. Arguments go to
# cmd/creates; see -help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
make -s -C .. build
go build -o ../bin/creates ./cmd/creates
exec ../bin/creates "$@"
