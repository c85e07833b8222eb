# Needs Go, GNU make, git and gcc; Node.js for the conformance tests. Everything else is built from pinned Go modules
# into bin/, which `make clean` removes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

ROOT    := $(CURDIR)
BIN     := bin
TOOLS   := $(BIN)/tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMG     ?= orderbridge:$(VERSION)

# How many packages are compiled or tested at once: the tests start processes of their own.
PARALLEL ?= 2

# An own kube-apiserver and etcd for the tests may be named in KUBEBUILDER_ASSETS.
KUBEBUILDER_ASSETS ?= $(ROOT)/$(BIN)/k8s
export KUBEBUILDER_ASSETS

# Read by the demo, the soak, the outage, the benchmarks and the fuzz targets.
ORDERS   ?= 20
KILLS    ?= 50
SEED     ?= 1
NOTES    ?= stored
OUTAGE   ?= 1h
RETAINED ?= 5000
FUZZTIME ?= 30s
export ORDERS KILLS SEED NOTES

GOLANGCI_LINT := $(ROOT)/$(TOOLS)/golangci-lint run --allow-parallel-runners --config $(ROOT)/.golangci.yml
GO_TEST  := go test -p $(PARALLEL)
# go test says nothing of tests that are left out.
SAY_PHP  := command -v php >/dev/null || echo "LEFT OUT: test/php, which compares encodings with PHP: install PHP 8 (Debian: php-cli)"
MODULES  := . hack/devcluster hack/tools
PROTOS   := $(shell find internal -name '*.proto')

##@ Try it

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## "; printf "Usage: make TARGET\n" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-zA-Z_\/-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build devcluster ## Provision ORDERS (20) orders from end to end and compare the books; ends by itself.
	go run ./hack/demo

.PHONY: dev
dev: build devcluster ## As demo, but leave everything running and print what to type.
	go run ./hack/demo --dev

##@ Build

.PHONY: build
build: ## Compile the programs into bin/.
	@echo "build: bin/manager bin/kubectl-orderbridge bin/sandbox"
	@go build -ldflags "-X main.version=$(VERSION)" -o $(BIN)/ ./cmd/...

.PHONY: devcluster
devcluster: ## Compile etcd, kube-apiserver and kubectl from source (minutes, the first time).
	@hack/devcluster/build.sh $(BIN)

.PHONY: image
image: ## Build the container image IMG.
	docker build --build-arg VERSION=$(VERSION) -t $(IMG) .

.PHONY: dist
dist: $(TOOLS)/kustomize ## Render the manifests of an installation into dist/orderbridge.yaml.
	@mkdir -p dist
	$(TOOLS)/kustomize build config/default > dist/orderbridge.yaml

.PHONY: clean
clean: ## Remove what was built, and the data of demo and dev.
	rm -rf $(BIN) dist .dev

##@ Generate and verify

.PHONY: generate
generate: generate-api generate-rbac schema proto ## Regenerate everything that is generated.

.PHONY: generate-api
generate-api: $(TOOLS)/controller-gen ## Regenerate deepcopy functions and CRDs from api/.
	$(TOOLS)/controller-gen object paths=./api/...
	$(TOOLS)/controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases

.PHONY: generate-rbac
generate-rbac: $(TOOLS)/controller-gen ## Regenerate the manager's role from the markers in the code.
	$(TOOLS)/controller-gen rbac:roleName=orderbridge-manager paths=./controllers/... paths=./internal/... \
		output:rbac:artifacts:config=config/rbac

.PHONY: schema
schema: ## Regenerate the JSON Schema of mapping files from their types.
	go generate ./internal/mapping

.PHONY: proto
proto: $(TOOLS)/protocompile $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## Regenerate Go code from .proto files.
	$(foreach plugin,protoc-gen-go protoc-gen-go-grpc,$(TOOLS)/protocompile -plugin $(TOOLS)/$(plugin) $(PROTOS);)

.PHONY: verify
verify: $(addprefix $(TOOLS)/,controller-gen protocompile protoc-gen-go protoc-gen-go-grpc) ## Fail if generated code, formatting or go.mod files are stale.
	@hack/verify.sh $(MODULES)

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Run the linters of .golangci.yml on all modules.
	$(GOLANGCI_LINT) ./...
	cd hack/tools && $(GOLANGCI_LINT) ./...
	cd hack/devcluster && $(GOLANGCI_LINT) ./supervisor/...

.PHONY: vulncheck
vulncheck: $(TOOLS)/govulncheck ## Look for known vulnerabilities that the code reaches; GOVULNDB names another database.
	$(TOOLS)/govulncheck $(if $(GOVULNDB),-db $(GOVULNDB)) ./...

##@ Test

.PHONY: test
test: build devcluster ## Run every test, with the race detector; Node.js is needed for the conformance part.
	$(GO_TEST) -race -timeout 25m ./...
	@$(SAY_PHP)
	go -C hack/devcluster test -count=1 -timeout 10m ./supervisor/...

.PHONY: test-unit
test-unit: ## Run the tests that need no API server and no other process.
	$(GO_TEST) -race ./api/... ./internal/...

.PHONY: conformance
conformance: ## Run unmodified third-party clients against the sandbox (Node.js), and compare encodings with PHP.
	$(GO_TEST) -v -count=1 -timeout 15m ./test/conformance/... ./test/php/...
	@$(SAY_PHP)

.PHONY: e2e
e2e: build devcluster ## Run the end-to-end tests with real processes.
	$(GO_TEST) -v -count=1 -timeout 25m ./test/e2e/...

.PHONY: crash-matrix
crash-matrix: devcluster ## Stop the world at every write and call of an order's life, and count orders.
	CRASH_MATRIX=full $(GO_TEST) -v -count=1 -timeout 60m ./test/crashmatrix/...

.PHONY: soak
soak: build devcluster ## Run ORDERS orders under KILLS random kills and faults drawn from SEED, then compare the books.
	go run ./test/soak

.PHONY: soak-ratio
soak-ratio: build devcluster ## Time 2,000 orders with 10 kills of the leading manager, and before and after without.
	go run ./test/soak ratio

.PHONY: outage
outage: build devcluster ## Have WHMCS be away for OUTAGE (1h) with 300 orders, and see how they go on.
	go run ./test/soak outage -outage $(OUTAGE)

.PHONY: bench
bench: build devcluster ## Run the benchmarks and print what orders cost beside the budgets; RETAINED (5000) finished orders.
	go test -run '^$$' -bench . -benchmem -timeout 30m ./api/... ./cmd/... ./controllers/... ./internal/...
	go test -run '^$$' -bench . -timeout 60m ./test/budgets -retained $(RETAINED)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s).
	@hack/fuzz.sh $(FUZZTIME)

##@ Tools

# Each tool's version is pinned in hack/tools/go.mod; a change there rebuilds them.
controller-gen_PACKAGE     := sigs.k8s.io/controller-tools/cmd/controller-gen
kustomize_PACKAGE          := sigs.k8s.io/kustomize/kustomize/v5
golangci-lint_PACKAGE      := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
govulncheck_PACKAGE        := golang.org/x/vuln/cmd/govulncheck
protoc-gen-go_PACKAGE      := google.golang.org/protobuf/cmd/protoc-gen-go
protoc-gen-go-grpc_PACKAGE := google.golang.org/grpc/cmd/protoc-gen-go-grpc
protocompile_PACKAGE       := ./protocompile

$(TOOLS)/%: hack/tools/go.mod hack/tools/go.sum hack/tools/protocompile/main.go
	@echo "tools: building $*"
	@go -C hack/tools build -o $(ROOT)/$@ $($*_PACKAGE)
	@touch $@
