# make run          the app, in an environment with what it needs
# make test         every check and test, in an environment with the development extras
# make constraints  pins the newest versions that pyproject.toml allows in constraints.txt
# make model        trains and evaluates the bundled model (needs MEMOTIONS_MIRROR; ten minutes)
# make compare      trains the bundled model's recipe with three seeds and the 2024 system with one, and
#                   scores them beside the baselines (needs MEMOTIONS_MIRROR; hours, and goes on
#                   where it was interrupted)
# make cross-source trains the recipe without each source in turn, and tests on it (likewise)
# make detector     trains and measures the crisis detector (a minute)
# make corpus       builds the corpus in build/, and its checked-in card (needs MEMOTIONS_MIRROR)
# make benchmarks   measures start-up, speed beside other systems, Parquet, explanations, the merge and
#                   the suggestions (an hour)
# make space        measures the app: start, load, 50,000 rows (five minutes)
# make render       writes spaces/ and metrics/, as they are published, from their templates
# make interop      tries what Python's clients do with all that is published (three minutes)
# make readme       writes the README's tables and picture from what those above left
# make clean        removes both environments and every cache

PYTHON ?= python3
RUN := .venv
DEV := .venv-dev
FRESH := .venv-constraints
PIP := -m pip --disable-pip-version-check

# Quiet, and the same on every machine: no graphics card, no TensorFlow chatter.
TEST_ENV := CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 \
	KERAS_BACKEND=tensorflow TOKENIZERS_PARALLELISM=false

.DELETE_ON_ERROR:
.PHONY: run test constraints model compare cross-source detector corpus benchmarks space render \
	interop readme clean python

run: $(RUN)/installed
	@$(RUN)/bin/memotions space

test: $(DEV)/installed
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(TEST_ENV) $(DEV)/bin/python -m pytest -n 2 --dist loadfile

# The stamps are newer than what they were made from, so a second run starts at once.
$(RUN)/installed: pyproject.toml constraints.txt | python
	@echo "Installing what the app needs into $(RUN) (the first time only) ..."
	@$(PYTHON) -m venv $(RUN)
	@$(RUN)/bin/python $(PIP) install --quiet --constraint constraints.txt --editable '.[space]'
	@touch $@

$(DEV)/installed: pyproject.toml constraints.txt | python
	@echo "Installing the development extras into $(DEV) (the first time only) ..."
	@$(PYTHON) -m venv $(DEV)
	@$(DEV)/bin/python $(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

constraints: | python
	rm -rf $(FRESH) build
	$(PYTHON) -m venv $(FRESH)
	$(FRESH)/bin/python $(PIP) install --quiet '.[dev]'
	{ echo "# Made by 'make constraints': pip install '.[dev]' in a fresh environment, then pip freeze."; \
	  echo "# Used by 'make run' and 'make test'; pyproject.toml holds the bounds."; \
	  $(FRESH)/bin/python $(PIP) freeze --all --exclude pip --exclude wheel \
	    --exclude memotions-hf | sed 's/+cpu$$//'; } > constraints.new
	mv constraints.new constraints.txt
	rm -rf $(FRESH) build

MODEL := runs/memotions-bilstm/model
BUNDLED := memotions_hf/bundled/memotions-bilstm

# Keras's and torch's weights stay out of the package: they are made from the ONNX file where needed.
model: $(DEV)/installed
	$(DEV)/bin/memotions train --recipe memotions-bilstm
	rm -rf $(BUNDLED)
	mkdir -p $(BUNDLED)
	$(DEV)/bin/python -c 'import sys; from pathlib import Path; \
	  from memotions_hf.modeling.saving import copy_files; copy_files(*map(Path, sys.argv[1:]))' \
	  $(MODEL) $(BUNDLED)
	rm $(BUNDLED)/model.weights.h5 $(BUNDLED)/metadata.json
	$(DEV)/bin/memotions evaluate --model $(BUNDLED) --update
	$(DEV)/bin/python benchmarks/model_facts.py

COMPARISON := runs/comparison
CROSS_SOURCE := runs/cross-source/memotions-bilstm
RESULTS := benchmarks/results

compare: $(DEV)/installed
	$(DEV)/bin/memotions compare --recipes memotions-bilstm,memotions-2024 --seeds 42,43,44 \
	  --seeds-of memotions-2024=42 \
	  --emot-official --output $(COMPARISON)
	cp $(COMPARISON)/comparison.json $(COMPARISON)/comparison.md $(RESULTS)
	cp $(COMPARISON)/comparison.png docs

cross-source: $(DEV)/installed
	$(DEV)/bin/memotions evaluate --leave-one-source-out --recipe memotions-bilstm \
	  --output $(CROSS_SOURCE)
	cp $(CROSS_SOURCE)/cross_source.json $(RESULTS)
	cp $(CROSS_SOURCE)/cross_source.png docs

detector: $(DEV)/installed
	$(DEV)/bin/python benchmarks/crisis_detector.py

CORPUS := build/memotions-corpus
CARD := dataset_scripts/memotions-corpus

corpus: $(DEV)/installed
	$(DEV)/bin/python benchmarks/corpus_checks.py
	$(DEV)/bin/memotions corpus build $(CORPUS) --overwrite
	rm -rf $(CARD)/plots
	cp -r $(CORPUS)/README.md $(CORPUS)/statistics.json $(CORPUS)/plots $(CARD)

benchmarks: $(DEV)/installed
	$(DEV)/bin/python benchmarks/startup.py
	$(DEV)/bin/python benchmarks/predict_stream.py
	$(DEV)/bin/python benchmarks/predict_parquet.py --ray
	$(DEV)/bin/python benchmarks/explanation.py
	$(DEV)/bin/python benchmarks/model_facts.py
	$(DEV)/bin/python benchmarks/inference.py
	$(DEV)/bin/python benchmarks/merge_corpus.py
	$(DEV)/bin/python benchmarks/local_engine.py
	$(DEV)/bin/python benchmarks/gemini_faults.py

space: $(DEV)/installed
	$(DEV)/bin/python benchmarks/space_start.py
	$(DEV)/bin/python benchmarks/space_batch.py
	$(DEV)/bin/python benchmarks/space_load.py

render: $(DEV)/installed
	$(DEV)/bin/python -c 'from pathlib import Path; from memotions_hf.demo.publish import assemble; \
	  assemble(Path("spaces/memotions"), repo="someone/memotions")'
	$(DEV)/bin/python -c 'from pathlib import Path; \
	  from memotions_hf.evaluation.metric import assemble_metric; \
	  assemble_metric(Path("metrics/memotions-emotion"), repo="someone/memotions-emotion")'

interop: $(DEV)/installed
	$(DEV)/bin/python benchmarks/interop.py

readme: $(DEV)/installed
	$(DEV)/bin/python benchmarks/readme_tables.py
	$(DEV)/bin/python docs/make_picture.py

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: Python 3.11 or newer is needed and $(PYTHON) is not; name one: make PYTHON=python3.12 run" >&2; \
	  exit 1; }

clean:
	rm -rf $(RUN) $(DEV) $(FRESH) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf memotions_hf.egg-info
	find memotions_hf tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
