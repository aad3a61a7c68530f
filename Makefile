# Each target says in one line what it is for: `make help` reads them from here.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?= .
DATA     ?= ./data

GOFUMPT       := v0.12.0
GOLANGCI_LINT := v2.15.0
GOVULNCHECK   := v1.9.0

# A tool's file is named after its version, so that a new version here is built and an old one is not used.
TOOLS         := bin/tools
gofumpt       := $(TOOLS)/gofumpt-$(GOFUMPT)
golangci-lint := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT)
govulncheck   := $(TOOLS)/govulncheck-$(GOVULNCHECK)

# Processes and servers stand in these packages; `make integration` runs no other.
INTEGRATION := ./cmd/... ./storage/... ./infra/queue/... ./infra/lock/... ./infra/registry/...

.PHONY: help run build test race integration lint fuzz bench verify packages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build, then serve on :8080 with its data in ./data
	bin/snowlink serve --data-dir=$(DATA)

build: ## Build bin/snowlink
	$(GO) build -o bin/snowlink ./cmd/snowlink

test: packages lint race ## Everything CI runs: lint, then all tests under the race detector

race: ## All tests under the race detector; a test that is skipped fails
	@.ci/gotest -race -tags=integration ./...

integration: packages ## The tests that start servers and processes
	@.ci/gotest -tags=integration $(INTEGRATION)

lint: $(gofumpt) $(golangci-lint) $(govulncheck) ## Formatting, go vet, golangci-lint, known vulnerabilities
	@.ci/lint $^

fuzz: ## Fuzz each fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME)

bench: ## Benchmarks of the packages, then beside other libraries; BENCH selects
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem ./...
	cd benchmarks && $(GO) test -run='^$$' -bench='$(BENCH)' -benchmem ./...

verify: ## The promises alone: layout, and links and clicks through five kill -9 under load
	$(GO) test -count=1 -v -run='^Test(Arrows|Durability)' ./cmd/snowlink

packages:
	@.ci/packages gcc:gcc g++:g++ redis-server:redis-server redis-sentinel:redis-sentinel initdb:postgresql clickhouse-server:clickhouse-server

clean:
	rm -rf bin

$(gofumpt):
	@.ci/tool $@ mvdan.cc/gofumpt@$(GOFUMPT)

$(golangci-lint):
	@.ci/tool $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)

$(govulncheck):
	@.ci/tool $@ golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK)
