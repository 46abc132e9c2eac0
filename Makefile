# maas: a PostgreSQL extension that makes the database a model service.  README.md tells how to use it.

all: extension

include mk/engine.mk
include mk/test.mk
include mk/fuzz.mk
include mk/pg.mk
include mk/bench.mk

.PHONY: all clean
clean:
	rm -rf build
