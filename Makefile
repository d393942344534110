# SPDX-License-Identifier: MIT
# A short front to meson and ninja: each target installs what it needs, then does its work.

BUILD   ?= build
PREFIX  ?= /usr/local
SECONDS ?= 60
SEED    ?= 1

.PHONY: all demo check bench torture install asan tsan fuzz clean

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
