# A short front to meson and .ci/; see README.md.
BUILD = build

.PHONY: all build run test bench fuzz check install clean
all: build

build:
	.ci/install build
	test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	ninja -C $(BUILD)

run: build
	tests/demo/run --build $(BUILD)

test: build
	.ci/install test
	tests/run --build $(BUILD)

bench: build
	.ci/install bench
	tests/bench/run --build $(BUILD)

fuzz:
	.ci/install fuzz
	.ci/fuzz

check: build
	.ci/install check test
	.ci/check

install: build
	meson install -C $(BUILD)

clean:
	rm -rf build build-*
