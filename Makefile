# make run: the service on its embedded default, below ./var.
# make check: linters, types, and the tests without servers. make test: all that a developer runs. make test-long: the rest.
# make docs: the documents as a site, every warning an error; a part of make test.
# Another Python: make run PYTHON=python3.12, and VENV=.venv/3.12 beside an environment that is there already.
# Nothing is written outside this directory.

PYTHON ?= python3
LISTEN ?= 127.0.0.1
PORT ?= 9292
DATA_DIR ?= var
# Processes that share the tests; each starts servers of its own.
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
# Else the Python of the environment would be used, and nobody told.
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(VENV)/run.stamp),)
ifneq ($(shell $(BIN)/python --version),$(shell $(PYTHON) --version))
$(error $(VENV) has $(shell $(BIN)/python --version). For $(PYTHON) add VENV=.venv/$(lastword $(shell $(PYTHON) --version)), or remove $(VENV))
endif
endif
endif
# Where it is set, each process that a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
# Where tools keep what they would keep in the user's home, pip the packages that several environments have.
export XDG_CACHE_HOME := $(CURDIR)/$(VENV)/cache
DOCS := $(VENV)/cache/docs
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --quiet --no-compile

# What takes long comes first, and tests that share a server share a process (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup --no-loadscope-reorder
PURE := "not server and not long"

.DELETE_ON_ERROR:
.PHONY: run docs check test test-long environments test-glance soak test-s3 run-check run-test lint coverage bench bench-glance bench-http bench-s3 bench-swift bench-ledger bench-scale bench-isolation sample clean

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m imgstore.service --data-dir $(DATA_DIR) --listen $(LISTEN) --port $(PORT)

# The linters run beside the tests.
test: $(VENV)/swift.stamp $(VENV)/moto.stamp
check test: $(VENV)/test.stamp
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line lint $(if $(filter test,$@),docs) run-$@

run-check:
	$(PYTEST) -m $(PURE) $(ARGS)

run-test:
	$(PYTEST) $(ARGS)

# What the tests need, all at once: make --jobs 3 environments
environments: $(VENV)/test.stamp $(VENV)/swift.stamp $(VENV)/moto.stamp $(VENV)/keystone.stamp $(VENV)/tempest.stamp \
		$(VENV)/fuse.stamp $(VENV)/glance.stamp

# Crash loops, load, gibibytes, OpenStack's own clients and tests, a real Keystone.
test-long: $(VENV)/test.stamp $(VENV)/keystone.stamp $(VENV)/tempest.stamp $(VENV)/swift.stamp $(VENV)/moto.stamp \
		$(VENV)/fuse.stamp $(VENV)/glance.stamp
	$(PYTEST) -m long $(ARGS)

# A real OpenStack Glance whose stores are imgstore's. It is a part of test-long.
test-glance: $(VENV)/test.stamp $(VENV)/swift.stamp $(VENV)/moto.stamp $(VENV)/glance.stamp $(VENV)/keystone.stamp \
		$(VENV)/tempest.stamp
	$(PYTEST) -m long tests/glance tests/auth/test_tempest.py $(ARGS)

# Everything that hangs and dies, for ten minutes; test-long has a short form. make soak SECONDS=3600
soak: $(VENV)/test.stamp $(VENV)/moto.stamp $(VENV)/fuse.stamp
	IMGSTORE_SOAK_SECONDS=$(or $(SECONDS),600) $(BIN)/python -m pytest -s -m long tests/soak $(ARGS)

# Of the tests that `make check` runs; CONTRIBUTING.md has the figure.
coverage: $(VENV)/test.stamp
	$(PYTEST) -m $(PURE) --cov $(ARGS)

# make test-s3 ENDPOINT=https://s3.example.org BUCKET=... REGION=..., keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
test-s3: $(VENV)/test.stamp $(VENV)/swift.stamp $(VENV)/moto.stamp
	@test -n "$(ENDPOINT)" -a -n "$(BUCKET)" || { echo "Name a server and a bucket: make test-s3 ENDPOINT=... BUCKET=..."; exit 2; }
	IMGSTORE_S3_ENDPOINT=$(ENDPOINT) IMGSTORE_S3_BUCKET=$(BUCKET) IMGSTORE_S3_REGION=$(or $(REGION),us-east-1) \
	IMGSTORE_S3_PART_SIZE=$(or $(PART_SIZE),5242880) IMGSTORE_S3_MAX_PARTS=$(or $(MAX_PARTS),1000) \
	$(BIN)/python -m pytest tests/s3 $(ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# A page that was read does not warn again, so a build that failed is no beginning for the next one.
docs: $(VENV)/test.stamp
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d $(DOCS)/pages doc $(DOCS)/html || { rm -rf $(DOCS); exit 1; }
	@echo "The documents: $(DOCS)/html/index.html"

bench: $(VENV)/bench.stamp
	$(VENV)/bench/bin/python -m bench $(ARGS)

# A real Glance with its own file store and with imgstore's.
bench-glance: $(VENV)/test.stamp $(VENV)/glance.stamp
	$(BIN)/python -m bench.glance $(ARGS)

# The service beside Glance, nginx and Debian's docker-registry; what is not installed is left out.
bench-http: $(VENV)/test.stamp $(VENV)/glance.stamp
	$(BIN)/python -m bench.http $(ARGS)

bench-s3: $(VENV)/bench.stamp $(VENV)/swift.stamp $(VENV)/aws.stamp
	IMGSTORE_SWIFT=$(VENV)/swift $(VENV)/bench/bin/python -m bench.s3 --aws $(VENV)/aws/bin/aws $(ARGS)

bench-swift: $(VENV)/bench.stamp $(VENV)/swift.stamp
	IMGSTORE_SWIFT=$(VENV)/swift $(VENV)/bench/bin/python -m bench.swift $(ARGS)

# With the databases' clients, which the tests have.
bench-ledger: $(VENV)/test.stamp
	$(BIN)/python -m bench.ledger $(ARGS)

# Catalogs and a store of a million images
bench-scale: $(VENV)/test.stamp
	$(BIN)/python -m bench.scale $(ARGS)

# A store that hangs, on moto and on a mounted directory; the latter needs root.
bench-isolation: $(VENV)/test.stamp $(VENV)/moto.stamp $(VENV)/fuse.stamp
	$(BIN)/python -m bench.isolation $(ARGS)

.PHONY: changelog test-lowest dist
changelog: $(VENV)/test.stamp
	$(BIN)/python -m releasenotes.changelog

# With the oldest dependencies that setup.cfg allows. The service runs too: what an old server does wrong, no pure test sees.
test-lowest: $(VENV)/lowest.stamp
	$(subst $(BIN),$(VENV)/lowest/bin,$(PYTEST)) -m $(PURE) $(ARGS)
	$(subst $(BIN),$(VENV)/lowest/bin,$(PYTEST)) -m "server and not long" tests/service tests/operation tests/image_api

# Wheel and sdist in dist/, as they are published; doc/releasing.md.
dist: $(VENV)/release.stamp
	@rm -rf dist
	$(VENV)/release/bin/python -m build
	$(VENV)/release/bin/twine check --strict dist/*
	$(VENV)/release/bin/reno lint

sample: $(VENV)/test.stamp
	$(BIN)/oslo-config-generator --config-file etc/oslo-config-generator.conf
	$(BIN)/oslo-config-generator --config-file etc/oslo-config-generator-service.conf
	$(BIN)/oslopolicy-sample-generator --config-file etc/oslo-policy-generator.conf

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find imgstore tests bench releasenotes -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when what is to be installed changes; one environment for all, so that `test` adds to what `run` has.
$(VENV)/run.stamp: setup.cfg setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed: make PYTHON=..."; exit 1; }
	@echo "Building $(VENV), which takes a minute ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[service]'
	@touch $@

$(VENV)/bench.stamp: $(VENV)/run.stamp bench/requirements.txt
	@echo "Building $(VENV)/bench, with what is measured beside imgstore ..."
	@rm -rf $(VENV)/bench
	@$(PYTHON) -m venv $(VENV)/bench
	@$(subst $(BIN),$(VENV)/bench/bin,$(PIP)) --editable '.[s3,swift]' --requirement bench/requirements.txt
	@touch $@

# The command line of Amazon, which wants a botocore of its own.
$(VENV)/aws.stamp: $(VENV)/run.stamp bench/s3/requirements.txt
	@rm -rf $(VENV)/aws
	@$(PYTHON) -m venv $(VENV)/aws
	@$(subst $(BIN),$(VENV)/aws/bin,$(PIP)) --requirement bench/s3/requirements.txt
	@touch $@

# What mounts a directory that hangs at will.
$(VENV)/fuse.stamp: $(VENV)/run.stamp bench/isolation/mount/requirements.txt
	@rm -rf $(VENV)/fuse
	@$(PYTHON) -m venv $(VENV)/fuse
	@$(subst $(BIN),$(VENV)/fuse/bin,$(PIP)) --requirement bench/isolation/mount/requirements.txt
	@touch $@

# A real Keystone, and the clients of OpenStack, apart from what is tested.
$(VENV)/keystone.stamp: $(VENV)/run.stamp tests/auth/requirements.txt
	@echo "Building $(VENV)/keystone, which takes a minute ..."
	@rm -rf $(VENV)/keystone
	@$(PYTHON) -m venv $(VENV)/keystone
	@$(subst $(BIN),$(VENV)/keystone/bin,$(PIP)) --requirement tests/auth/requirements.txt
	@touch $@

# Glance from the index, and in it the drivers that are tested; not beside another build of this directory.
$(VENV)/glance.stamp: $(VENV)/run.stamp tests/support/glance/requirements.txt | $(VENV)/test.stamp
	@echo "Building $(VENV)/glance, which takes some minutes ..."
	@rm -rf $(VENV)/glance
	@$(PYTHON) -m venv $(VENV)/glance
	@$(subst $(BIN),$(VENV)/glance/bin,$(PIP)) --requirement tests/support/glance/requirements.txt --editable '.[glance,s3,swift]'
	@touch $@

# Servers that the tests use, and OpenStack's own tests, each apart from what is tested, since they want libraries and
# versions of their own.
$(VENV)/swift.stamp $(VENV)/moto.stamp $(VENV)/tempest.stamp: $(VENV)/%.stamp: $(VENV)/run.stamp tests/support/%/requirements.txt
	@echo "Building $(VENV)/$*, which takes a minute ..."
	@rm -rf $(VENV)/$*
	@$(PYTHON) -m venv $(VENV)/$*
	@$(subst $(BIN),$(VENV)/$*/bin,$(PIP)) --requirement tests/support/$*/requirements.txt
	@touch $@

# uv finds what fits at once; pip's search, which goes back from the newest version of each tool, does not end.
$(VENV)/lowest.stamp: $(VENV)/test.stamp
	@echo "Building $(VENV)/lowest, with the oldest dependencies ..."
	@rm -rf $(VENV)/lowest
	@$(PYTHON) -m venv $(VENV)/lowest
	@$(subst $(BIN),$(VENV)/lowest/bin,$(PIP)) uv
	@$(BIN)/python -m tests.support.lowest > $(VENV)/lowest/constraints.txt
	@$(VENV)/lowest/bin/uv pip install --quiet --no-cache --python $(VENV)/lowest/bin/python \
		--constraints $(VENV)/lowest/constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/release.stamp: $(VENV)/run.stamp
	@rm -rf $(VENV)/release
	@$(PYTHON) -m venv $(VENV)/release
	@$(subst $(BIN),$(VENV)/release/bin,$(PIP)) build twine reno
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@echo "Adding the tests' tools to $(VENV) ..."
	@$(PIP) --editable '.[test]'
	@touch $@
