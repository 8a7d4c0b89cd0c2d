# Fairlead. `make` lists the targets; `make check` is what continuous integration runs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN     := .tmp/bin
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-zA-Z/_-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-16s %s\n", $$1, $$2 }'

.PHONY: build
build: ## build the program into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/fairlead ./cmd/fairlead

.PHONY: demo
demo: ## the main job, in process, over the project's own documentation
	$(GO) run ./cmd/fairlead demo

.PHONY: check
check: verify lint vuln cross evals test ## everything that must hold; what CI runs

.PHONY: test
test: ## all tests, with the race detector, on a PostgreSQL and model servers of their own
	CGO_ENABLED=1 tools/llamaserver.sh run tools/postgres.sh run $(GO) test -race -timeout 20m ./...

.PHONY: test-fast
test-fast: ## all tests, without the race detector; of PostgreSQL and llama-server where FAIRLEAD_TEST_... names them
	$(GO) test -timeout 10m ./...

.PHONY: check-pytorch
check-pytorch: ## the example of PyTorch, trained and served, and the tests of model servers against it: fetches 3 GB, once
	examples/pytorch/check.sh

.PHONY: check-ollama
check-ollama: ## the adapter of Ollama against a real one, which is built first: ten minutes, once
	CGO_ENABLED=1 tools/ollama.sh run $(GO) test -race -timeout 20m -count=1 -run Live ./providers/ollama

.PHONY: evals
evals: ## the suites of evals/suites, on their cassettes, held to their gates and baselines
	$(GO) run ./cmd/fairlead eval run evals/suites --junit .tmp/evals.xml

.PHONY: torture
torture: ## CASES (10000) streams cut, and other faults; CREDENTIALS (1000000) that prove nothing; OPERATIONS (1000000) of a storm of tenants
	$(GO) test ./internal/torture -count=1 -v -timeout 60m -cases $${CASES:-10000} -seed $${SEED:-1}
	FAIRLEAD_TEST_CREDENTIALS=$${CREDENTIALS:-1000000} $(GO) test ./internal/server -run MalformedCredentials -count=1 -v -timeout 60m
	tools/postgres.sh run $(GO) test ./internal/store/postgres -run 'TestStorm' -count=1 -v -timeout 120m -storm $${OPERATIONS:-1000000} -storm-seed $${SEED:-1}

.PHONY: bench
bench: ## Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s) each
	@FUZZTIME=$${FUZZTIME:-10s} tools/fuzz.sh

.PHONY: generate
generate: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-connect-go ## write gen/ from proto/
	buf generate
	buf generate --template buf.gen.thirdparty.yaml

.PHONY: verify
verify: generate ## what is generated is up to date, descriptions are well formed, go.mod is tidy enough to build
	buf lint
	buf format --diff --exit-code >/dev/null || { echo "proto files are not formatted: run 'buf format -w'"; exit 1; }
	@if [ -n "$$(git status --porcelain -- gen)" ]; then git --no-pager diff --stat -- gen; echo "gen/ was not up to date: commit what 'make generate' wrote"; exit 1; fi
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' ':!gen')); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	$(GO) mod verify >/dev/null

.PHONY: breaking
breaking: $(BIN)/buf ## has the API changed in a way that breaks clients? against BASE (main)
	buf breaking --against '.git#branch=$(or $(BASE),main)'

.PHONY: lint
lint: $(BIN)/golangci-lint ## golangci-lint and go vet
	$(GO) vet ./...
	golangci-lint run ./...

.PHONY: vuln
vuln: $(BIN)/govulncheck ## known vulnerabilities that the program reaches, where the database can be reached
	@if out=$$(govulncheck ./... 2>&1); then echo "$$out" | tail -n 1; \
	elif grep -qiE 'fetching vulnerabilities|no such host|forbidden|dial tcp|timeout|connection refused' <<<"$$out"; then \
		echo "govulncheck: NOT RUN: its database cannot be reached from here"; \
	else echo "$$out"; exit 1; fi

.PHONY: cross
cross: ## the program builds without cgo for every platform we name
	@for p in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do \
		echo "build $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/fairlead; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .tmp dist

# Tools are pinned by go.mod files of their own, so that what they need never enters the program's.
$(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-connect-go &: tools/proto/go.mod tools/proto/go.sum
	cd tools/proto && GOFLAGS=-mod=readonly $(GO) build -o $(CURDIR)/$(BIN)/ tool
	@touch $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-connect-go

$(BIN)/golangci-lint $(BIN)/govulncheck &: tools/lint/go.mod tools/lint/go.sum
	cd tools/lint && GOFLAGS=-mod=readonly $(GO) build -o $(CURDIR)/$(BIN)/ tool
	@touch $(BIN)/golangci-lint $(BIN)/govulncheck
