# The front door: what a person types. The work is in cargo, xtask/ and scripts/.

ARGS ?=
SECONDS ?= 60
ONLY ?=

.PHONY: help run test test-kernels bench fuzz build build-ebpf check-ebpf check-deps fmt clippy \
	clean install-kernel-toolchain

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-26s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build and start netweir (ARGS="…" are handed on); without root: the demo
	@scripts/check-deps run
	@if [ "$$(id -u)" = 0 ]; then \
		exec target/release/netweir run $(ARGS); \
	else \
		echo 'Metering needs root: `sudo target/release/netweir run` shows the traffic of this'; \
		echo 'machine. What follows is the same on a capture that is generated.'; \
		exec target/release/netweir demo $(ARGS); \
	fi

test: ## Run the tests; rings 3 and 4 as root only
	@scripts/check-deps test
	cargo xtask test

test-kernels: ## Run rings 3 and 4 on other kernels, in QEMU (ONLY=5.10,7.2)
	@scripts/check-deps kernels
	cargo xtask kernels $(if $(ONLY),--only $(ONLY))

bench: ## Measure what the kernel programs and user space cost (ARGS="packet mix" for some tables)
	@scripts/check-deps test
	cargo xtask bench $(ARGS)

fuzz: ## Run each fuzz target for SECONDS (60)
	@scripts/check-deps fuzz
	cargo xtask fuzz --seconds $(SECONDS)

build: ## Build the release binary
	@scripts/check-deps build
	cargo build --release

build-ebpf: ## Build the kernel object anew (needs install-kernel-toolchain)
	cargo xtask ebpf

check-ebpf: ## Check that the kernel object belongs to its sources
	cargo xtask ebpf --check

check-deps: ## Look for what build, run and test need
	@scripts/check-deps test

fmt: ## Format the sources
	cargo fmt --all

clippy: ## Lint the sources
	cargo clippy --workspace --exclude netweir-kernel --all-targets -- -D warnings

clean: ## Remove what was built
	cargo clean

install-kernel-toolchain: ## Install what build-ebpf needs (Debian, root)
	scripts/install-kernel-toolchain
