# Programs on the engine that need no server: unit tests, conformance, tools.  Each src/test/engine/*.c is part of
# one unit test program; each src/test/tool/*.c is a program.
#   make check-engine                 unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make check-engine TESTS="json"    only those whose file or name contains a word
#   make conformance                  the official ONNX cases and our own; every operator must have one that passes
#   make conformance CASES=folder     those of another folder
#   make cases                        writes our own cases anew (src/test/gen/cases.py; needs onnx and numpy)

TEST_SRC = $(wildcard src/test/engine/*.c)
TEST_OBJ = $(TEST_SRC:%.c=$(BUILD)/%.o)
# The fuzz targets are part of it, too, and run what they have found in the past.
REPLAY_OBJ = $(patsubst src/test/fuzz/%.c,$(BUILD)/replay/%.o,$(wildcard src/test/fuzz/*.c))
-include $(TEST_OBJ:.o=.d) $(REPLAY_OBJ:.o=.d)

$(BUILD)/engine_test: $(TEST_OBJ) $(REPLAY_OBJ) $(ENGINE_LIB)
	$(ENGINE_CC) $(ENGINE_CFLAGS) $(TEST_OBJ) $(REPLAY_OBJ) $(ENGINE_LIBS) -o $@

$(BUILD)/replay/%.o: src/test/fuzz/%.c
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -DLLVMFuzzerTestOneInput=fuzz_$* -MMD -MP -c $< -o $@

# src/test/tool/NAME.c and, if there is such a folder, src/test/tool/NAME/*.c
.SECONDEXPANSION:
$(BUILD)/tool/%: src/test/tool/%.c $$(wildcard src/test/tool/$$*/*) $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) $(filter %.c,$^) $(ENGINE_LIBS) -o $@

.PHONY: check-engine
check-engine:
	$(MAKE) CONFIG=asan build/asan/engine_test
	build/asan/engine_test $(TESTS)

OFFICIAL_CASES = /usr/share/libonnx-testdata/data
PYTHON ?= python3

.PHONY: conformance cases
conformance: $(BUILD)/tool/conformance
ifdef CASES
	$< --exceptions src/test/conformance-exceptions.txt $(CONFORMANCE) $(CASES)
else
	$< --exceptions src/test/conformance-exceptions.txt --coverage --memory --rows $(CONFORMANCE) $(OFFICIAL_CASES) src/test/cases src/test/fixtures
endif

cases:
	$(PYTHON) src/test/gen/cases.py $(FAMILY)

.PHONY: lint
lint: engine
	@tools/lint
