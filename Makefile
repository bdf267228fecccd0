# make demo    captures a simulated link and shows the session, decoded, as text and in tshark
# make test    everything that must pass
# Both set up what they need: a virtual environment in .venv, and Debian packages where a program is missing.

VENV := .venv
BIN := $(VENV)/bin
TEST_MINUTES := 6

# The tests are shared out among so many: most of them wait for a program or a line half of the time.
TEST_PROCESSES := 4
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y

# Wireshark from 4.4 on loads no Lua script for root; as nobody, who may read what root may, it does.
TSHARK := $(shell [ "$$(id -u)" != 0 ] || echo setpriv --reuid 65534 --regid 65534 --clear-groups \
	--inh-caps=+dac_override --ambient-caps=+dac_override env HOME=/nonexistent) tshark

# Between a source and a destination tshark prints an arrow, which not every locale has.
ASCII_COLUMNS := -o 'gui.column.format:"No.","%m","Time","%t","Source","%s","Info","%i"'

.PHONY: demo opening test test-whole announce check collected docs pages architecture test-docs examples bench bound \
	learn-trial faults flips fuzz test-corpus test-peers test-wireshark test-drivers test-fresh screenshots clean redact-trial \
	report-pictures test-report test-frames columns-difference

# program:package of what must be there
DEMO_PROGRAMS := tshark:tshark
TEST_PROGRAMS := $(DEMO_PROGRAMS) strace:strace luac5.2:lua5.2 luac5.4:lua5.4

# Runs a command without its chatter; what it printed is shown if it fails.
define quietly
log=$$(mktemp); { $(1); } >$$log 2>&1 || { cat $$log >&2; rm -f $$log; exit 1; }; rm -f $$log
endef

define apt
echo "Installing from Debian: $(strip $(1))"; $(call quietly,$(APT) update && $(APT) install --no-install-recommends $(1))
endef

define install
	@missing=""; \
	for pair in $(1); do command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then $(call apt,$$missing); fi
endef

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

$(BIN)/python:
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call apt,python3-venv); }
	@python3 -m venv $(VENV)

$(VENV)/core: $(BIN)/python pyproject.toml
	@echo "Installing vtctap into $(VENV)"; $(call quietly,$(PIP) install .)
	@touch $@

# The editable install in strict mode shows mypy the package as it will be installed: it is repeated when a folder's
# modules have changed. What is never imported is not compiled.
$(VENV)/dev: $(BIN)/python pyproject.toml $(shell find dissector pcap sniffer vtctap -type d -not -name __pycache__)
	@echo "Installing vtctap and what its tests need into $(VENV)"; \
	$(call quietly,$(PIP) install --no-compile --editable '.[dev]' --config-settings editable_mode=strict)
	@touch $@

demo: $(VENV)/core
	$(call install,$(DEMO_PROGRAMS))
	$(BIN)/python -m vtctap demo -w demo.pcapng --force --print
	$(BIN)/python -m vtctap wireshark lua -o demo.lua --force
	$(TSHARK) -r demo.pcapng -X lua_script:demo.lua $(ASCII_COLUMNS)
	@$(MAKE) --silent --no-print-directory opening

# How this machine opens the demonstration: Wireshark needs a screen, and may load no script for root.
opening:
	@if [ "$$(id -u)" = 0 ]; then echo "Look closer: $(BIN)/vtctap read -x demo.pcapng"; \
	elif [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && command -v wireshark >/dev/null; then \
		echo "Look closer: wireshark -X lua_script:demo.lua demo.pcapng"; \
	else echo "Look closer: tshark -V -X lua_script:demo.lua -r demo.pcapng"; fi

# With bytecode, whatever the environment says: else each of the many programs that tests start compiles all of vtctap.
test: announce
	@$(MAKE) --no-print-directory --jobs 2 check collected
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

# What 'make test' samples, whole: every size, seed and recording.
test-whole: check
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -m "slow or not slow" --hypothesis-profile whole \
		--numprocesses $(TEST_PROCESSES) --dist worksteal

announce:
	@echo "make test: 8400 tests, about $(TEST_MINUTES) minutes on two cores. Into $(VENV) go the Python packages of"
	@echo "pyproject.toml's 'dev' (0.7 GB); from Debian, where they are missing: $(foreach pair,$(TEST_PROGRAMS),$(lastword $(subst :, ,$(pair))))."

check: $(VENV)/dev
	$(call install,$(TEST_PROGRAMS))
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd bench && MYPYPATH=../tests $(abspath $(BIN))/mypy --config-file ../pyproject.toml --allow-subclassing-any *.py faults/*.py
	cd tests/drivers && MYPYPATH=..:.:guest $(abspath $(BIN))/mypy --config-file ../../pyproject.toml *.py checks/*.py guest/*.py

# Compiles what the tests import, once, and not in each process of the tests; a test that cannot be imported ends it.
collected: $(VENV)/dev
	@$(call quietly,env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --collect-only --quiet)

test-corpus: check
	$(BIN)/python -m pytest -m corpus_playback

# Independent clients, at true pace: on a machine that does nothing else.
PEERS := build/peers

test-peers: check
	$(call install,node:nodejs npm:npm)
	npm install --prefix $(PEERS) --no-audit --no-fund smartmeter-obis@4.0.0
	VTCTAP_NODE_MODULES=$(CURDIR)/$(PEERS)/node_modules $(BIN)/python -m pytest -m "slow or not slow" \
		tests/commands/test_independent_client.py

# The differential test, whole, with the installed Wireshark (4.0 in Debian 12) and with those of other Debian releases:
# 4.4 in trixie, 4.6 and Python 3.14 in forky. The first time they are set up. Each run ends with its report. There also
# the other tests that ask a Wireshark, and those of Scapy and pyshark.
DIFFERENCE := -m slow tests/dissector/wireshark/test_lua_difference.py
OTHER_DEBIANS := trixie forky
ASK_WIRESHARK := $(addprefix tests/dissector/,wireshark scapy dlms profiles/test_encodings.py) \
	$(addprefix tests/commands/,test_wireshark.py test_doctor.py test_extcap.py test_stats.py test_demo.py test_read.py) \
	tests/test_agreement.py tests/test_wireshark_page.py

test-wireshark: check
	$(call install,debootstrap:debootstrap)
	$(BIN)/python -m pytest $(DIFFERENCE)
	set -e; for release in $(OTHER_DEBIANS); do \
		run="tests/debian.sh $$release .debian-$$release tests/other_wireshark.sh"; \
		$$run $(ASK_WIRESHARK); $$run $(DIFFERENCE); \
	done

# The two commands of the README on bare machines, as a stranger gives them.
test-fresh:
	$(call install,debootstrap:debootstrap)
	set -e; for release in bookworm $(OTHER_DEBIANS); do tests/fresh_machine.sh $$release; done

# Ports on the kernel's own drivers, in an emulated machine (amd64 alone); prints what is expected and what is seen.
test-drivers: $(VENV)/dev
	$(call install,qemu-system-x86_64:qemu-system-x86)
	$(BIN)/python tests/drivers

# The pictures of docs/wireshark.md, from a real Wireshark on a screen that nobody sees.
screenshots: $(VENV)/core
	$(call install,wireshark:wireshark Xvfb:xvfb openbox:openbox xdotool:xdotool import:imagemagick pngquant:pngquant)
	$(BIN)/python docs/screenshots.py

examples: $(VENV)/dev
	$(BIN)/python examples/make.py

# Whether the stated uncertainty is a bound: a million random sessions, an hour or less.
bound: $(VENV)/dev
	$(BIN)/python bench/bound.py

# Every parser on octets that an engine invents, guided by coverage, in two processes.
FUZZ_SECONDS := 60
FUZZ_SEED := 1
FUZZ_ENGINE := atheris>=3,<4

fuzz: $(VENV)/dev
	@$(call quietly,$(PIP) install '$(FUZZ_ENGINE)')
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

# Every single bit of a trace flipped in turn: what is read, what is said. Ten minutes.
flips: $(VENV)/dev
	$(BIN)/python bench/flips.py

# Captures that are killed, stopped, starved and deceived: nothing may be lost unsaid. Ends in a table.
FAULTS_TIMES := 5
FAULTS_SEED := $(shell date +%F)

faults: $(VENV)/dev
	cd bench && $(abspath $(BIN))/python -m faults --times $(FAULTS_TIMES) --seed $(FAULTS_SEED)

# Every column of a million random and damaged records, by batches and one by one.
columns-difference: $(VENV)/dev
	$(BIN)/python bench/columns_difference.py

# Random sessions with planted secrets: none may survive redaction.
redact-trial: $(VENV)/dev
	$(BIN)/python bench/redact_trial.py

# What is learned from a thousand random dialects, undamaged, damaged and with faults: half an hour on two cores.
learn-trial: $(VENV)/dev
	$(BIN)/python bench/learn_trial.py

# All that is said of speed, beside the peers, into docs/performance.md: hours. BENCH=--quick tries it in
# minutes, BENCH=--short takes a tenth of the records;
# BENCH='--tshark tshark --tshark PATH' measures several versions of tshark.
BENCH :=

bench: $(VENV)/dev
	$(call install,tshark:tshark)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python bench/performance.py $(BENCH)

report-pictures: $(VENV)/dev
	$(call install,chromium:chromium pngquant:pngquant)
	$(BIN)/python docs/make_report_pictures.py

test-report: $(VENV)/dev
	$(call install,chromium:chromium)
	$(BIN)/python -m pytest -m slow tests/dissector/analysis/test_report.py

# What is exported, read by pandas, Polars and DuckDB (0.6 GB): every value compared, and the page's recipes.
test-frames: $(VENV)/dev
	$(call quietly,$(PIP) install --editable '.[frames]' --config-settings editable_mode=strict)
	$(BIN)/python -m pytest tests/dissector/tables tests/dataset tests/test_export_page.py tests/test_query_page.py

# The pages that are made from the code, and the site of all pages: build/site/index.html.
pages: $(VENV)/dev
	$(BIN)/python -m vtctap.dissector.catalogue > docs/fields.md
	$(BIN)/python -m vtctap.dissector.analysis.findings > docs/findings.md
	$(BIN)/python docs/make_cookbook.py
	$(BIN)/python docs/make_manual.py

$(VENV)/docs: $(VENV)/dev
	@echo "Installing Sphinx into $(VENV)"; \
	$(call quietly,$(PIP) install --editable '.[docs]' --config-settings editable_mode=strict)
	@touch $@

docs: $(VENV)/docs pages
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site

# The picture of the parts and their imports; fails on an import upwards and on a cycle.
architecture: $(VENV)/dev
	$(call install,dot:graphviz)
	$(BIN)/python docs/make_architecture.py

test-docs: $(VENV)/docs
	$(call install,chromium:chromium)
	$(BIN)/python -m pytest -m "slow or not slow" tests/test_site.py tests/test_documents.py

clean:
	rm -rf $(VENV) build demo.pcapng demo.lua
