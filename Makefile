# SPDX-License-Identifier: MIT
# A short front to meson and ninja: each target installs what it needs, then does its work.

BUILD   ?= build
PREFIX  ?= /usr/local
SECONDS ?= 60
SEED    ?= 1

.PHONY: all demo check bench torture reap-torture install asan tsan fuzz clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/install-deps build
	@meson setup $(BUILD) --prefix=$(PREFIX) >/dev/null

# Workers are killed with SIGKILL while they count words; the count must be exact.
demo: all
	@$(BUILD)/dure demo

# All tests, the crash matrix at four compiler settings, the lints.
check:
	@tools/install-deps check
	@tools/check $(BUILD)

# Processes that really die, for SECONDS seconds.
torture: all
	@ninja -C $(BUILD) tests/torture/torture
	@$(BUILD)/tests/torture/torture --seconds $(SECONDS) --seed $(SEED)

# dure reap --yes in a loop beside live users of every kind of object, for SECONDS seconds; full
# hosts, at full size; a /proc of any bytes.
reap-torture: all
	@tools/install-deps check
	@ninja -C $(BUILD)
	@REAP_SECONDS=$(SECONDS) SCALE=1 PROC_ROUNDS=$(SECONDS) PROC_SEED=$(SEED) meson test -C $(BUILD) \
		--no-rebuild --verbose --timeout-multiplier 10 cli-reap cli-scale cli-proc

bench: all
	@tools/install-deps bench
	@tools/bench $(BUILD)

install: all
	@meson install -C $(BUILD)

asan tsan:
	@tools/install-deps check
	@tools/sanitize $@

fuzz:
	@tools/install-deps check
	@tools/fuzz

clean:
	@rm -rf $(BUILD) build-*
