# make run    set up, then trade for 20 seconds against the built-in exchange, on paper
# make test   set up, then the tests, also against the checked build
# make build  set up, risk too     make bench        the latency tables
# make lint   the rules            make bench-peers  hftbacktest beside our backtest
# make clean  remove what was built (the journals in runs/ stay)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run
.PHONY: run test test-engine test-models test-checked build lint bench bench-peers gpu-test gpu-bench lock clean

PY := .venv/bin/python
BOT4 := .venv/bin/bot4
SOURCES := $(shell find ipc kernels models engine -name '*.pyx' -o -name '*.pxd' -o -name '*.h') setup.py
KERNELS := $(shell find kernels -name '*.py') models/warm_up.py
CHECKED := build/checked

# A run needs the risk models' kernels only after ten minutes of bars: whoever wants to see one does not wait for them.
run: .venv/built
	@$(BOT4) run --seconds 20

build: .venv/built build/kernels/filled

# Two lanes at once: what runs processes is seen live; the checked build, then the models, are printed when they have ended.
test: .venv/dev .venv/built build/kernels/filled $(CHECKED)/built
	@{ status=0; $(MAKE) --no-print-directory test-checked || status=$$?; \
	   echo "models:"; $(MAKE) --no-print-directory test-models || status=$$?; exit $$status; } > build/second-lane.log 2>&1 & second=$$!; \
	first=0; $(MAKE) --no-print-directory test-engine || first=$$?; \
	status=0; wait $$second || status=$$?; echo "checked build:"; cat build/second-lane.log; exit $$((first | status))

MODELS := tests/kernels tests/models
test-engine: .venv/dev .venv/built build/kernels/filled
	@BOT4_CHECKED= BOT4_KILLS=$${BOT4_KILLS:-200} $(PY) -m pytest --durations 15 tests $(MODELS:%=--ignore=%)

test-models: .venv/dev .venv/built build/kernels/filled
	@$(PY) -m pytest --durations 15 $(MODELS)

# The same tests against extensions with bounds checks and crash hooks, in a copy of the tree. What numba compiles, and
# what a verb says to a user's mistake, is the same in both builds and is tested in the ordinary one.
WITHOUT_EXTENSIONS := $(foreach family,volatility dependence regimes jumps scenarios,tests/kernels/$(family)) \
    tests/kernels/test_cache.py tests/engine/verbs

test-checked: .venv/dev $(CHECKED)/built
	@cd $(CHECKED) && BOT4_DATA=$${BOT4_DATA:-$(abspath ../shared/data)} BOT4_VECTORS=$${BOT4_VECTORS:-$(abspath ../shared/vectors)} \
	    BOT4_CHECKED=1 BOT4_KILLS=$${BOT4_KILLS:-200} $(abspath $(PY)) -m pytest --durations 10 -m "not slow" tests/ipc tests/engine tests/kernels $(WITHOUT_EXTENSIONS:%=--ignore=%) \
	    tests/recovery/test_core_steps.py

lint: .venv/dev .venv/built
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@PATH="$(CURDIR)/.venv/bin:$$PATH" cython-lint $$(git ls-files "*.pyx" "*.pxd")
	@.venv/bin/lint-imports --no-cache
	@$(PY) -m mypy
	@$(PY) -m pytest tests/architecture

bench: build
	@$(BOT4) bench

bench-peers: build
	@benchmarks/peers/run

gpu-test gpu-bench: build
	@$(PY) -m benchmarks.gpu $@

# Locks for every profile from pyproject.toml; packages at least 14 days old. Needs uv in .venv (make build puts it there).
lock: .venv/uv
	@BEFORE=$$(date -u -d '14 days ago' +%Y-%m-%d); \
	compile() { .venv/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
	    --exclude-newer $$BEFORE --python-version 3.11 "$$@"; }; \
	compile pyproject.toml --extra build -o requirements/base.txt; \
	compile pyproject.toml --extra dev -o requirements/dev.txt; \
	compile pyproject.toml --extra build --extra inference --extra research -o requirements/research.txt; \
	compile pyproject.toml --extra build --extra ops -o requirements/ops.txt; \
	compile pyproject.toml --extra build --extra gpu -o requirements/gpu.txt; \
	compile pyproject.toml --extra build --extra gpu --extra trt -o requirements/trt.txt

clean:
	@rm -rf build .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis bot4.egg-info
	@find ipc kernels models engine tests benchmarks -name '*.so' -delete -o -name __pycache__ -prune -exec rm -rf {} +

# -- set-up ---------------------------------------------------------------------------------------------------------

.venv/uv: requirements/uv.txt .ci/probe
	@python=$$(.ci/probe) && started=$$SECONDS && "$$python" -m venv .venv
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/base: .venv/uv requirements/base.txt
	@started=$$SECONDS; VIRTUAL_ENV=.venv .venv/bin/uv pip install -q --require-hashes -r requirements/base.txt; \
	echo "set-up: packages $$((SECONDS - started)) s"
	@printf '#!%s\nimport sys\nsys.path.insert(0, "%s")\nfrom engine.cli import main\nif __name__ == "__main__":\n    main()\n' \
	    "$(abspath $(PY))" "$(CURDIR)" > $(BOT4) && chmod +x $(BOT4)
	@touch $@

.venv/dev: .venv/base requirements/dev.txt
	@VIRTUAL_ENV=.venv .venv/bin/uv pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

.venv/built: .venv/base $(SOURCES)
	@started=$$SECONDS; $(PY) -W ignore setup.py -q build_ext --inplace -j $$(nproc) > build.log 2>&1 || { cat build.log; exit 1; }; \
	mkdir -p build && mv build.log build/; $(BOT4) strategy compile --quiet; \
	echo "set-up: extensions and strategies $$((SECONDS - started)) s"
	@touch $@

build/kernels/filled: .venv/built $(KERNELS)
	@$(PY) -m models.warm_up
	@mkdir -p $(@D) && touch $@

$(CHECKED)/built: .venv/base $(SOURCES) $(shell find ipc kernels models engine tests examples -name '*.py' -o -name '*.pyi')
	@mkdir -p $(CHECKED)
	@tar cf - --exclude='*.so' --exclude=__pycache__ ipc kernels models engine tests examples benchmarks docs deploy setup.py pyproject.toml README.md \
	    | tar xf - -C $(CHECKED)
	@cd $(CHECKED) && BOT4_CHECKED=1 $(abspath $(PY)) -W ignore setup.py -q build_ext --inplace -j $$(nproc) > build.log 2>&1 \
	    || { cat build.log; exit 1; }
	@touch $@
