# The extension as PGXS builds it.  mk/pg.mk runs this file inside build/pg<version>/ with srcdir and VPATH pointing
# to the tree, so that one tree serves several versions of PostgreSQL and nothing is written beside the sources.

EXTENSION = maas
MAAS_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(srcdir)/maas.control)
MODULE_big = maas
PG_SRC = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/src/pg/*.c $(srcdir)/src/pg/*/*.c))
OBJS = $(PG_SRC:.c=.o)
ENGINE_LIB = $(srcdir)/build/release/libmaas_engine.a
EXPORTS = $(srcdir)/mk/exports.list
SCRIPTS_IN = $(sort $(wildcard $(srcdir)/sql/install/*.sql))
DATA = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/sql/upgrade/maas--*.sql))
DATA_built = maas--$(MAAS_VERSION).sql
ifneq ($(wildcard $(srcdir)/doc/*.md),)
DOCS = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/doc/*.md))
endif
EXTRA_CLEAN = $(OBJS:.o=.d)

PG_CPPFLAGS = -I$(srcdir)/src/pg -I$(srcdir)/src/engine -MMD -MP
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	-Wno-clobbered -Wno-declaration-after-statement
ifneq ($(WERROR),)
PG_CFLAGS += -Werror
endif
SHLIB_LINK = $(ENGINE_LIB) -Wl,--exclude-libs,ALL -Wl,--version-script=$(EXPORTS) -lm -lpthread -ldl

# Bitcode would only serve to inline our functions into JIT-compiled expressions; they are too large for that.
override with_llvm = no

include $(PGXS)

maas.so: $(ENGINE_LIB) $(EXPORTS)

# Arithmetic and distances loop over elements.
src/pg/type/math.o: CFLAGS += $(CFLAGS_VECTORIZE)

maas--$(MAAS_VERSION).sql: $(SCRIPTS_IN) $(srcdir)/maas.control
	{ printf '%s\n' '\echo Use "CREATE EXTENSION maas" to load this file. \quit'; cat $(SCRIPTS_IN); } > $@.new
	mv $@.new $@

-include $(OBJS:.o=.d)
