# maas: a PostgreSQL extension that makes the database a model service.  README.md tells how to use it.

all: engine

include mk/engine.mk
include mk/test.mk

.PHONY: all clean
clean:
	rm -rf build
