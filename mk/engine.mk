# The engine as a static library, in one of several configurations, without a server.
#   make engine                      build/release/libmaas_engine.a
#   make engine CONFIG=asan          the same under AddressSanitizer and UndefinedBehaviorSanitizer
# Every .c below src/engine/ belongs to it: there is no list to keep.  The files of src/engine/kernel/ are
# compiled once per CPU level (dispatch.c and blas.c: once).

CONFIG ?= release
BUILD = build/$(CONFIG)
ENGINE_CC ?= gcc
AR ?= ar

# -ffp-contract=off: a*b+c rounds the same on every CPU level unless a kernel asks for fma.
ENGINE_CFLAGS = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -fno-strict-aliasing -fopenmp-simd -ffp-contract=off -fno-math-errno \
	-fno-trapping-math -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter -g
ifneq ($(WERROR),)
# what may be uninitialised is a guess that differs from one version of gcc to the next
ENGINE_CFLAGS += -Werror -Wno-error=maybe-uninitialized
endif
ifeq ($(CONFIG),release)
ENGINE_CFLAGS += -O2
KERNEL_CFLAGS = -O3
else ifeq ($(CONFIG),asan)
ENGINE_CFLAGS += -O1 -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer -DMAAS_SANITIZE
else ifeq ($(CONFIG),fuzz)
ENGINE_CC = clang-19
ENGINE_CFLAGS += -Wno-pass-failed -Wno-missing-field-initializers -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer -DMAAS_SANITIZE
endif

KERNEL_LEVELS = plain
ifeq ($(shell uname -m),x86_64)
KERNEL_LEVELS += avx2
# the sanitizers see the same source at two levels; the third would only cost time
ifeq ($(CONFIG),release)
KERNEL_LEVELS += avx512
else
ENGINE_CFLAGS += -DMAAS_NO_AVX512
endif
endif
LEVEL_plain =
LEVEL_avx2 = -mavx2 -mfma -mf16c
LEVEL_avx512 = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c -mprefer-vector-width=512

KERNEL_ONCE = src/engine/kernel/dispatch.c src/engine/kernel/blas.c
ENGINE_SRC = $(filter-out src/engine/kernel/%,$(wildcard src/engine/*.c src/engine/*/*.c)) $(KERNEL_ONCE)
KERNEL_SRC = $(filter-out $(KERNEL_ONCE),$(wildcard src/engine/kernel/*.c))
ENGINE_OBJ = $(ENGINE_SRC:%.c=$(BUILD)/%.o) $(BUILD)/engine_id.o \
	$(foreach level,$(KERNEL_LEVELS),$(KERNEL_SRC:%.c=$(BUILD)/%.$(level).o))
ENGINE_LIB = $(BUILD)/libmaas_engine.a
ENGINE_LIBS = $(ENGINE_LIB) -lm -lpthread -ldl

# The name of this build: an image that another build wrote is not opened.
ENGINE_ALL = $(sort $(wildcard src/engine/*.[ch] src/engine/*/*.[ch] src/engine/*/*.def src/engine/*/*.inc))
$(BUILD)/engine_id.c: $(ENGINE_ALL) mk/engine.mk
	@mkdir -p $(@D)
	@printf 'extern const char maas_engine_id[];\nconst char maas_engine_id[] = "%s";\n' \
		"$$(cat $(ENGINE_ALL) | sha256sum | cut -c1-16)" >$@
$(BUILD)/engine_id.o: $(BUILD)/engine_id.c
	$(ENGINE_CC) $(ENGINE_CFLAGS) -c $< -o $@

$(ENGINE_LIB): $(ENGINE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -MMD -MP -c $< -o $@

define kernel_rule
$$(BUILD)/src/engine/kernel/%.$(1).o: src/engine/kernel/%.c
	@mkdir -p $$(@D)
	$$(ENGINE_CC) $$(ENGINE_CFLAGS) $$(KERNEL_CFLAGS) $$(LEVEL_$(1)) -DMAAS_LEVEL=$(1) -MMD -MP -c $$< -o $$@
endef
$(foreach level,$(KERNEL_LEVELS),$(eval $(call kernel_rule,$(level))))

-include $(ENGINE_OBJ:.o=.d)

.PHONY: engine
engine: $(ENGINE_LIB)
