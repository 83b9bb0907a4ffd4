# SPDX-License-Identifier: Apache-2.0
# A short front for Meson: each target installs what is missing, configures its build directory and builds.
.DEFAULT_GOAL := all
.PHONY: all demo test check torture torture-mount bench bench-mount bench-scale asan tsan fuzz install clean help

export LANG := C.UTF-8
BUILD := build
# Build directory and native file.
setup = scripts/install-deps.sh $(3) && { test -f $(1)/build.ninja || meson setup $(1) --native-file presets/$(2).ini; }
build = $(call setup,$(1),$(2),$(3)) && ninja -C $(1)
# Meson's own summary, then why tests were skipped, and the count of cases.
test = $(call build,$(1),$(2)) && { rm -f $(1)/meson-logs/testlog.json; meson test -C $(1) --no-rebuild --print-errorlogs $(3); \
	scripts/test-summary.py $(1) $(4); }

all: ## build the library and the programs in build/
	@$(call build,$(BUILD),debug)

demo: ## show what Holdfast does, on real files
	@$(call build,$(BUILD),debug) && scripts/demo.sh $(BUILD)

test: ## run every test; the last line counts them
	@$(call test,$(BUILD),debug)

check: ## what CI checks: both compilers, format, tidy, sanitizers
	@.ci/run

torture: ## power cuts, rot, random histories, killed processes, with new seeds, until something breaks
	@$(call build,build-release,release,torture) && scripts/torture.sh build-release

torture-mount: ## of these only what goes through a mount: random operations, and programs with the daemon killed
	@$(call build,build-release,release,torture) && scripts/torture.sh build-release mount

bench: ## measure, each figure beside plain files and btrfs
	@$(call build,build-release,release,bench) && scripts/bench.sh build-release/bench/bench

bench-mount: ## measure the mount beside ntfs-3g, btrfs and ext4
	@$(call build,build-release,release,bench) && scripts/bench.sh build-release/bench/mount build-release/src/tools/holdfast

bench-scale: ## measure with millions of files and extents, and with huge volumes
	@$(call build,build-release,release) && scripts/bench.sh build-release/bench/scale

asan: ## every test under the address and undefined-behaviour sanitizers
	@$(call test,build-asan,asan)

tsan: ## the tests with threads under the thread sanitizer
	@$(call test,build-tsan,tsan)

FUZZ_SECONDS ?= 3600
FUZZ_TARGETS ?= call image ioctl page path text
fuzz: ## fuzz each target for an hour (FUZZ_SECONDS, FUZZ_TARGETS)
	@scripts/install-deps.sh ci
	@test -f build-fuzz/build.ninja || meson setup build-fuzz --native-file presets/fuzz.ini
	@ninja -C build-fuzz fuzz-targets
	@for t in $(FUZZ_TARGETS); do \
		mkdir -p build-fuzz/corpus/$$t build-fuzz/found/$$t; \
		build-fuzz/tests/fuzz/fuzz_$$t -max_total_time=$(FUZZ_SECONDS) -timeout=20 -max_len=4096 -print_final_stats=1 \
			-artifact_prefix=build-fuzz/found/$$t/ build-fuzz/corpus/$$t tests/fuzz/corpus/$$t || exit 1; \
	done

install: ## install from a release build (DESTDIR is honoured)
	@$(call build,build-release,release) && meson install -C build-release --no-rebuild

clean: ## remove the build directories
	@rm -rf build build-release build-asan build-tsan build-clang build-gcc build-fuzz build-fresh

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
