# The extension, for the PostgreSQL that PG_CONFIG names (default: the newest one that can build extensions;
# PG_VERSION=16 picks another).  Objects go to build/pg<version>/.
#   make extension        build/pg15/maas.so and maas--0.1.sql
#   make install          into the server's own folders (as root or with sudo); DESTDIR is honoured
#   make stage            into the private server's folder where its version allows, see tools/server
#   make check-sql        the regression tests on the private server; TESTS="tensor_io ..." picks some
#   make check-isolation, check-tap   the tests of several sessions, and with the server's programs

PG_CONFIG ?= $(shell tools/server pg_config)
PG_MAJOR = $(shell $(PG_CONFIG) --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
PG_BUILD = build/pg$(PG_MAJOR)
PG_MAKE = $(MAKE) --no-print-directory -C $(PG_BUILD) -f ../../mk/pgxs.mk srcdir=../.. VPATH=../.. \
	PG_CONFIG='$(PG_CONFIG)' PGXS='$(shell $(PG_CONFIG) --pgxs)'
PG_DIRS = $(sort $(dir $(wildcard src/pg/*.c src/pg/*/*.c)))

.PHONY: pg-engine extension install uninstall stage check-sql check-isolation check-tap
# The extension always takes the release engine, whatever CONFIG is.
pg-engine:
	@$(MAKE) --no-print-directory engine CONFIG=release

extension: pg-engine
	@test -n '$(PG_CONFIG)' || { echo 'no pg_config found: install postgresql-server-dev-all or set PG_CONFIG' >&2; exit 1; }
	@mkdir -p $(addprefix $(PG_BUILD)/,$(PG_DIRS))
	+@$(PG_MAKE) all

install: extension
	+@$(PG_MAKE) install

uninstall:
	@mkdir -p $(PG_BUILD)
	+@$(PG_MAKE) uninstall

stage: extension
	@PG_CONFIG='$(PG_CONFIG)' tools/server install

# the server tests take a sample of the conformance cases, which the conformance tool chooses
check-tap: build/release/tool/conformance
check-sql check-isolation check-tap: stage
	@PG_CONFIG='$(PG_CONFIG)' tools/check-pg $(@:check-%=%) $(TESTS)
