# make bench            the next four
# make bench-engine     our engine beside onnxruntime, one thread and then all cores; BENCH="--only mlp --rounds 3"
# make bench-sql        a table scored in the database, beside what a user would do instead; BENCH_SQL="--rows 100000"
# make bench-cache      one copy of the weights: what 50 connections take, and the first prediction of each
# make bench-train      training steps of the engine beside PyTorch's, one thread; BENCH="--only lstm --rounds 3 --threads 1,2"
# make bench-credit     accuracy of maas_train on a table with categories and gaps, beside scikit-learn; BENCH="--repeats 5"
# onnxruntime, psycopg2, PyTorch and scikit-learn come from PyPI into build/bench/venv and are needed for nothing else.
# bench-sql compares with PL/Python where postgresql-plpython3 is installed.

BENCH_DIR = build/bench
BENCH_PYTHON = $(BENCH_DIR)/venv/bin/python

$(BENCH_DIR)/libmaas_bench.so: src/test/bench/api.c $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -Wno-missing-prototypes -shared $< $(ENGINE_LIBS) -o $@

$(BENCH_PYTHON): src/test/bench/requirements.txt
	python3 -m venv $(BENCH_DIR)/venv
	$(BENCH_DIR)/venv/bin/pip install -q -r $<
	@touch $@

.PHONY: bench bench-engine bench-sql bench-cache bench-train
bench: bench-engine bench-sql bench-cache bench-train

bench-engine: $(BENCH_DIR)/libmaas_bench.so $(BENCH_PYTHON)
	OPENBLAS_NUM_THREADS=1 $(BENCH_PYTHON) src/test/bench/bench.py $< $(BENCH_DIR)/models $(BENCH)

bench-sql: stage $(BENCH_PYTHON)
	tools/server start && eval "$$(tools/server env)" && \
		$(BENCH_PYTHON) src/test/bench/sql.py $(BENCH_DIR)/models $(BENCH_SQL)

bench-cache: stage $(BENCH_PYTHON)
	$(BENCH_PYTHON) src/test/bench/models.py $(BENCH_DIR)/models
	tools/server start && eval "$$(tools/server env)" && \
		$(BENCH_PYTHON) src/test/bench/cache.py $(BENCH_DIR)/models/encoder-6x384.onnx

$(BENCH_DIR)/libmaas_train.so: src/test/bench/train_api.c $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -Wno-missing-prototypes -shared $< $(ENGINE_LIBS) -o $@

$(BENCH_DIR)/venv/torch: src/test/bench/requirements-train.txt
	python3 -m venv $(BENCH_DIR)/venv
	$(BENCH_DIR)/venv/bin/pip install -q -r $<
	@touch $@

bench-train: $(BENCH_DIR)/libmaas_train.so $(if $(filter $(BENCH_DIR)/%,$(BENCH_PYTHON)),$(BENCH_DIR)/venv/torch)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BENCH_PYTHON) src/test/bench/train.py $< $(BENCH)

$(BENCH_DIR)/venv/sklearn: src/test/bench/requirements-credit.txt
	python3 -m venv $(BENCH_DIR)/venv
	$(BENCH_DIR)/venv/bin/pip install -q -r $<
	@touch $@

.PHONY: bench-credit
bench-credit: stage $(if $(filter $(BENCH_DIR)/%,$(BENCH_PYTHON)),$(BENCH_DIR)/venv/sklearn)
	tools/server start && tools/load-data && eval "$$(tools/server env)" && $(BENCH_PYTHON) src/test/bench/credit.py $(BENCH)
