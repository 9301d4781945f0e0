# Each target first puts what it needs into .venv; nothing else on the machine is changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PLUGINS := tap-split-impressions tap-amplitude target-amplitude target-split
EDITABLE := $(foreach plugin,$(filter-out tap-%,$(PLUGINS)),-e ./$(plugin)) -e './tap-amplitude[webhook,s3]' -e './tap-split-impressions[parquet,s3,webhook,lambda]' -e ./sandbox

# Every environment is compiled when it is made. Python would compile at each start where it may not write bytecode.
export UV_COMPILE_BYTECODE := 1
COMPILE := $(BIN)/python -m compileall -q common sandbox demo $(PLUGINS)

.PHONY: install demo sandbox test lint docs bench faults settings sdk format clean help

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: .meltano/.installed ## Install Meltano and the four connectors

demo: $(VENV)/.installed .meltano/.installed ## Run every pipeline against the local sandbox and compare both sides
	$(BIN)/python -m demo

sandbox: $(VENV)/.installed ## Show what the last demo left in both services, at http://127.0.0.1:8010
	$(BIN)/split-amplitude-sandbox serve --port 8010 --data .demo/sandbox

test: $(VENV)/.installed .meltano/.installed .airflow/.installed .tools/.installed .partners/.installed ## Run the tests
	$(BIN)/pytest -n 3 --dist loadgroup

lint: $(VENV)/.installed ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(foreach plugin,$(PLUGINS),$(plugin)/$(subst -,_,$(plugin))) sandbox/split_amplitude_sandbox demo tools
	$(BIN)/hadolint Containerfile
	$(BIN)/check-jsonschema --schemafile "$$($(BIN)/python -c 'import tools.settings as it; print(it.MELTANO_SCHEMA)')" meltano.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/python -m tools.about --check
	$(BIN)/python -m tools.words

docs: $(VENV)/.installed ## Build the site of the docs into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.installed .meltano/.installed ## Measure speed and memory, as ratios within one run
	$(BIN)/python -m benchmarks

SEED ?= 1
RUNS ?= 20
faults: $(VENV)/.installed ## Run the campaign of faults and kills: SEED=…, RUNS=… of each pipeline, PIPELINE=… for one
	PYTHONPATH=tests:. $(BIN)/python -m faults --seed $(SEED) --runs $(RUNS) $(if $(PIPELINE),--pipeline $(PIPELINE)) $(if $(MELTANO),--meltano $(MELTANO))

SDK ?= 0.55.0b7
sdk: $(VENV)/.installed ## Run the connectors' tests with another release of the Singer SDK: SDK=…
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/sdk
	$(BIN)/uv pip install --quiet --python .tools/sdk/bin/python -r requirements-dev.txt $(EDITABLE) 'singer-sdk[msgspec,testing]==$(SDK)'
	.tools/sdk/bin/pytest -n 2 tests/common tests/tap-split-impressions tests/tap-amplitude tests/target-amplitude tests/target-split tests/test_signals.py

settings: $(VENV)/.installed ## Write each connector's --about into meltano.yml, the READMEs and docs/hub
	$(BIN)/python -m tools.about

format: $(VENV)/.installed ## Rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove all that was made here
	rm -rf $(VENV) .meltano .airflow .partners .tools .demo demo-report.html site .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Remade when a dependency list changes; the connectors are installed in place, so their code is always current.
$(VENV)/.installed: requirements-dev.txt $(foreach plugin,$(PLUGINS),$(plugin)/pyproject.toml) sandbox/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt $(EDITABLE)
	$(COMPILE)
	touch $@

# Meltano gives each plugin an environment of its own; the plugins' code is used in place there too.
.meltano/.installed: $(VENV)/.installed
	$(BIN)/meltano --log-level=warning install
	touch $@

# Airflow and Meltano cannot share an environment.
.airflow/.installed: orchestrate/requirements.txt $(VENV)/.installed
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) .airflow
	$(BIN)/uv pip install --quiet --python .airflow/bin/python -r orchestrate/requirements.txt
	touch $@

# nginx, Caddy and promtool check the configurations in orchestrate/, Grafana's grammar the Loki query of the docs. Debian's
# packages are unpacked here, not installed; where that is not possible, tests use what is on the path, or are skipped.
CHECKERS := nginx caddy prometheus
LOGQL := @grafana/lezer-logql@0.3.0 @lezer/common@1.5.5 @lezer/lr@1.4.12
.tools/.installed:
	mkdir -p .tools
	cd .tools && (apt-get download $(CHECKERS) || (apt-get update && apt-get download $(CHECKERS))) \
	&& for package in *.deb; do dpkg -x $$package . || exit 1; done && rm *.deb \
	|| echo "Could not unpack: $(CHECKERS)."
	npm install --silent --no-save --prefix .tools/logql $(LOGQL) || echo "Could not install: $(LOGQL)."
	touch $@

# Connectors of others, each in an environment of its own: they are tests' partners.
.partners/.installed: tests/partners/environments.txt $(VENV)/.installed
	while read -r name requirements; do \
		$(BIN)/uv venv --quiet --clear --python $(BIN)/python ".partners/$$name" && \
		$(BIN)/uv pip install --quiet --python ".partners/$$name/bin/python" $$requirements || exit 1; \
	done < $<
	touch $@
