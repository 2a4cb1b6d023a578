# DigiOne: see README.md. Every target says what it is for in `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash

GO      ?= go
TOOLS   := $(CURDIR)/.tools
LINT    := $(TOOLS)/golangci-lint-2.15.0
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X digione/cmd/tenantctl/cli.Version=$(VERSION)
DATA    ?= .digione
LISTEN  ?= 127.0.0.1:8080
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

.PHONY: setup
setup: ## install what is missing on Debian or Ubuntu (PostgreSQL)
	@scripts/setup postgresql

.PHONY: build
build: ## build bin/digione and bin/tenantctl
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/digione ./cmd/digione
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tenantctl ./cmd/tenantctl

.PHONY: run
run: setup build ## run everything on embedded defaults, with demo municipalities
	@bin/digione dev --data $(DATA) --listen $(LISTEN)

.PHONY: test
test: tools format lint docs-check unit ## run all that CI runs

.PHONY: tools
tools: setup $(LINT) ## install what the tests need (PostgreSQL, Chromium, versitygw, axe-core, linters)
	@scripts/setup chromium gcc npm
	@scripts/versitygw $(TOOLS)
	@scripts/axe $(TOOLS)

$(LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv $(TOOLS)/golangci-lint $(LINT)

.PHONY: format
format: ## fail on files that gofmt would change
	@out=$$(gofmt -l cmd internal schemas); if [ -n "$$out" ]; then echo "not gofmt-ed:"; echo "$$out"; exit 1; fi

.PHONY: lint
lint: $(LINT) ## golangci-lint, go vet in it, over the files of bench and pooler too
	$(LINT) run ./...

.PHONY: unit
unit: ## all tests with the race detector, migration checks and goldens among them
	PATH="$(TOOLS):$$PATH" $(GO) test -race -timeout 15m ./...

.PHONY: attack
attack: setup ## ask for every route by every id as everybody, in both directions (docs/security.md); a part of it is in make test
	DIGIONE_ATTACK=full $(GO) test ./internal/app -run TestAttackMatrix -count 1 -timeout 15m -v

.PHONY: docs
docs: ## write docs/cli anew from the commands, docs/permissions.md from the rules
	$(GO) run ./cmd/internal/clidocs docs/cli
	$(GO) run ./cmd/internal/permissiondocs docs/permissions.md

.PHONY: docs-check
docs-check: ## fail when docs/cli or docs/permissions.md is not what the code says
	@$(GO) run ./cmd/internal/clidocs -check docs/cli
	@$(GO) run ./cmd/internal/permissiondocs -check docs/permissions.md

.PHONY: snapshot
snapshot: ## write schemas/tenant/schema.sql anew from the migrations
	$(GO) test ./internal/tenancy -run TestSnapshot -update

.PHONY: golden
golden: snapshot docs ## write all golden files anew
	$(GO) test ./internal/app -run TestRoutes -update
	$(GO) test ./internal/app/roster/oneroster -update

.PHONY: accessibility
accessibility: tools ## judge every page by WCAG 2.2 AA in all languages, widths and colours; writes what the statement says
	DIGIONE_ACCESSIBILITY=full $(GO) test ./internal/app -run TestAccessibility -count 1 -timeout 45m

.PHONY: tour
tour: tools ## write docs/tour.md and its pictures anew
	DIGIONE_TOUR=$(CURDIR)/docs $(GO) test ./internal/app -run TestTour -count 1 -timeout 20m

.PHONY: mutants
mutants: setup ## break the controls one at a time and see that a test notices each
	@PATH="$(TOOLS):$$PATH" $(GO) run ./cmd/internal/mutants

.PHONY: borrows
borrows: setup ## borrow 10,000 connections while others panic, are cancelled, run out of time or lose their backend
	DIGIONE_BORROWS=10000 $(GO) test -race ./internal/tenancy -run 'TestBorrows$$' -count 1 -v

.PHONY: fuzz
fuzz: ## give every parser odd input, FUZZTIME each (20s); what breaks one is kept under testdata/fuzz
	@set -e; for dir in $$(grep -rl '^func Fuzz' --include='*_test.go' internal | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$dir/*_test.go | cut -c6-); do \
	    echo "$$dir $$target"; $(GO) test ./$$dir -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME); done; done

.PHONY: properties
properties: setup ## import, undo and import as a delta 2,000 pairs of generated rosters, on a database
	DIGIONE_PROPERTIES=2000 $(GO) test ./internal/app/roster -run TestProperties -count 1 -v -timeout 30m

.PHONY: crashes
crashes: setup ## die at every step of sign-ins, uploads, imports, rollbacks, publications, provisioning, moves to another cluster, restores, sealings, erasures and joining, go on, and compare; a part of it is in make test
	DIGIONE_CRASH=full $(GO) test ./internal/app/roster ./internal/app/identity ./internal/tenancy ./internal/tenancy/transfer ./internal/tenancy/joining -run 'TestCrash|TestProvisionCrashMatrix|TestRelocateCrashMatrix|TestPublishKilled' -count 1 -v -timeout 30m

.PHONY: faults
faults: setup ## take PostgreSQL and the object store away from under their users, and compare what they were told with what is there
	DIGIONE_FAULTS=full $(GO) test -race ./internal/app/faults -count 1 -v -timeout 12m

.PHONY: pooler
pooler: setup ## reach tenants through PgBouncer: what works, what is refused
	@scripts/setup pgbouncer
	$(GO) test -race -tags pooler ./internal/tenancy -run TestPooler -count 1 -v

.PHONY: pitr
pitr: setup ## show a restore of one tenant to a moment, from a base backup and WAL
	PITR_LEARNERS=5000 $(GO) test ./cmd/tenantctl -run TestPointInTime -count 1 -v

.PHONY: bench
bench: ## measure tenant access, provisioning, migrations, imports and the board against their limits
	$(GO) test -tags bench -run 'TestBench' -count 1 -v -timeout 40m ./internal/tenancy
	$(GO) test -tags bench -run 'TestBench' -count 1 -v -timeout 20m ./internal/app/roster ./internal/app/onboarding

.PHONY: finland
finland: build ## provision, import, renew, migrate and serve a fleet of the country's size, and measure it
	$(GO) run ./cmd/internal/proving -parts fleet,signin,load,search

.PHONY: load
load: build ## serve 300 tenants and find what they bear, beside a bare handler
	$(GO) run ./cmd/internal/proving -tenants 300 -learners 90000 -parts signin,load,search

.PHONY: noisy
noisy: build ## serve 300 tenants, one of them noisy, one importing
	$(GO) run ./cmd/internal/proving -tenants 300 -learners 90000 -parts noisy -rate 100 -span 120s

.PHONY: soak
soak: build ## serve 300 tenants for half an hour while backends are killed and the fleet is migrated
	$(GO) run ./cmd/internal/proving -tenants 300 -learners 90000 -parts soak -span 30m -rate 60

.PHONY: tenants
tenants: build ## build and serve 3,000 tenants, and compare with 300 of the same size
	$(GO) run ./cmd/internal/proving -tenants 3000 -learners 300000 -even -beside 300 -parts fleet,mixed

.PHONY: proofs
proofs: tools ## run the long proofs (or PROOFS='attack mutants'), each bounded in time, and print a table of what came of them
	@scripts/proofs $(PROOFS)

.PHONY: clean
clean: ## remove what was built; the data folder stays
	rm -rf bin
