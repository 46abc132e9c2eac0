# make bench          our engine beside onnxruntime, one thread and then all cores; BENCH="--only mlp --rounds 3"
# onnxruntime comes from PyPI into build/bench/venv and is needed for nothing else.

BENCH_DIR = build/bench
BENCH_PYTHON = $(BENCH_DIR)/venv/bin/python

$(BENCH_DIR)/libmaas_bench.so: src/test/bench/api.c $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -Wno-missing-prototypes -shared $< $(ENGINE_LIBS) -o $@

$(BENCH_PYTHON): src/test/bench/requirements.txt
	python3 -m venv $(BENCH_DIR)/venv
	$(BENCH_DIR)/venv/bin/pip install -q -r $<
	@touch $@

.PHONY: bench
bench: $(BENCH_DIR)/libmaas_bench.so $(BENCH_PYTHON)
	OPENBLAS_NUM_THREADS=1 $(BENCH_PYTHON) src/test/bench/bench.py $< $(BENCH_DIR)/models $(BENCH)
