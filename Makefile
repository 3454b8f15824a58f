# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A thin front: every target is one script, which can be called without make, too.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export LC_ALL := C.UTF-8
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
BIN := .venv/bin

.PHONY: help
help: ## Show this
	@echo 'make TARGET'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '%-16s %s\n' "$$target" "$$text"; done

# The fast loop. What needs no server of the zoo goes along, so that the validator is not a blind spot.
UNITS := tests/unit tests/zoo/test_zoo.py tests/zoo/test_cases.py

.PHONY: demo
demo: deps root ## Watch a mail domain go from plain SMTP to verified delivery, on this machine (root; ARGS=... for Ansible)
	@$(BIN)/ansible-playbook mailsec.dane.demo $(ARGS)

.PHONY: test
test: ## Set everything up and run all tests (as root: the lab needs it)
	@tests/run/test.sh

.PHONY: lint
lint: deps ## Run every check that only reads
	@tests/run/lint.sh

.PHONY: unit
unit: deps ## Run the unit tests and a slice of the zoo, without those that are slow (ARGS=... for pytest)
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n auto -m 'not slow' $(UNITS))

.PHONY: sanity
sanity: ## Run ansible-test sanity and units without containers, on every ansible-core that is at hand
	@tests/run/test.sh sanity units

.PHONY: integration
integration: ## Run the tests on real servers (as root)
	@tests/run/test.sh integration

.PHONY: bare
bare: ## Carry out README's two commands on bare Debian 12 and 13 (root; ARGS='trixie, lint, integration tls' for a part)
	@tests/run/bare.sh "$(ARGS)"

.PHONY: model
model: deps ## Search ten million states of the rotation planner for one that breaks mail (ARGS=KB-03 shows a counterexample)
	@$(BIN)/python -m tests.model $(ARGS)

.PHONY: simulation
simulation: deps ## Live ten thousand random lives of mail sites for every profile of troubles (ARGS='1000 theft' for some of one)
	@nice -n 19 $(BIN)/python -m tests.simulation $(ARGS)

.PHONY: zoo
zoo: deps ## Judge the zoo of broken zones with our validator and with unbound, delv and dnsviz
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),tests/zoo)

.PHONY: bench
bench: deps root ## Compare the speed of our own validation with that of a trusted resolver, in one run (root)
	@$(BIN)/python tests/benchmark/dnssec.py $(ARGS)

.PHONY: senders
senders: deps root ## Compare our audit of 3,000 random servers with real Postfix and Exim (root; MAILSEC_DANE_SENDERS, MAILSEC_DANE_SEED)
	@MAILSEC_DANE_SENDERS=$${MAILSEC_DANE_SENDERS:-3000} nice -n 19 $(BIN)/python -m pytest -v tests/integration/verdicts/test_random.py $(ARGS)

# The longest first. Labs mostly wait, so two of them share two cores; a user's inotify instances are enough for two.
REHEARSED := rehearse-rotation rehearse-living senders rehearse-rotation_shapes rehearse-outbound rehearse-postfix rehearse-names \
  rehearse-site simulation

.PHONY: rehearsal
rehearsal: deps root ## Deploy and rotate on real servers under mail, killed and disturbed at every step (root; MAILSEC_DANE_LANES)
	@time $(MAKE) --no-print-directory --keep-going --jobs=$${MAILSEC_DANE_LANES:-2} --output-sync=none ARGS= $(REHEARSED)

rehearse-%: deps root # One suite of the rehearsal, such as rehearse-living (ARGS=... for pytest)
	@$(BIN)/python -m pytest -v tests/integration/$* $(ARGS)

.PHONY: docs
docs: deps ## Build the documentation of modules, filters and roles as web pages
	@tests/run/docs.sh

.PHONY: findings
findings: ## Write docs/findings.md anew from the catalogue of findings
	@python3 tests/run/findings_page.py

.PHONY: rooms
rooms: ## Draw the rooms of the core in docs/architecture.md anew from their imports
	@python3 tests/run/rooms_page.py

.PHONY: lab
lab: deps root ## Start the lab, a private Internet on this machine (root; ARGS=... for Ansible)
	@$(BIN)/ansible-playbook mailsec.dane.lab $(ARGS)

.PHONY: lab-down
lab-down: deps root ## Take the lab down
	@$(BIN)/ansible-playbook mailsec.dane.lab -e lab_state=absent $(ARGS)

.PHONY: deps
deps: ## Make .venv and fetch what a checkout needs (all others do it first)
	@tests/run/deps.sh

.PHONY: package
package: deps ## Build the collection as a file, and prove that it can be installed
	@tests/run/package.sh

.PHONY: clean
clean: ## Remove everything that was made here, .venv included
	rm -rf .venv .cache .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output collections *.tar.gz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: root
root:
	@[ "$$(id -u)" -eq 0 ] || { echo 'This needs root, because it starts network namespaces: sudo make $(MAKECMDGOALS)' >&2; exit 1; }
