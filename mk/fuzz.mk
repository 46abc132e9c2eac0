# Fuzzing: each src/test/fuzz/NAME.c is a libFuzzer target, built by clang with AddressSanitizer and
# UndefinedBehaviorSanitizer.
#   make fuzz                                        every target, FUZZ_SECONDS (60) each
#   make fuzz FUZZ="json onnx_load" FUZZ_SECONDS=1200 some of them
# First inputs: what src/test/fuzz/seeds.py writes, for onnx_ targets the small official files, and the faults of the
# past (src/test/fuzz/found/NAME, which the unit tests replay).  What is learned stays in build/fuzz/corpus/NAME; an
# input that shows a fault is left in build/fuzz/found/NAME, and becomes a unit test.

FUZZ ?= $(basename $(notdir $(wildcard src/test/fuzz/*.c)))
FUZZ_SECONDS ?= 60
FUZZ_FLAGS = -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2500 -max_len=16384 -print_final_stats=1
FUZZ_FILES_onnx_load = model.onnx
FUZZ_FILES_onnx_value = *.pb

$(BUILD)/fuzzer/%: src/test/fuzz/%.c $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -fsanitize=fuzzer -MMD -MP $< $(ENGINE_LIBS) -o $@
-include $(wildcard $(BUILD)/fuzzer/*.d)

.PHONY: fuzz fuzz-targets fuzz-seeds $(FUZZ:%=fuzz-%)
fuzz:
	$(MAKE) CONFIG=fuzz fuzz-targets
	$(MAKE) -k CONFIG=fuzz $(FUZZ:%=fuzz-%)

fuzz-targets: $(FUZZ:%=$(BUILD)/fuzzer/%)

fuzz-seeds:
	$(PYTHON) src/test/fuzz/seeds.py build/fuzz/seeds

$(FUZZ:%=fuzz-%): fuzz-%: $(BUILD)/fuzzer/% fuzz-seeds
	@mkdir -p build/fuzz/corpus/$* build/fuzz/seeds/$* build/fuzz/found/$*
	@[ -z "$(FUZZ_FILES_$*)" ] || find $(OFFICIAL_CASES) src/test/cases -size -5k -name '$(FUZZ_FILES_$*)' 2>/dev/null | \
		while read -r f; do cp "$$f" "build/fuzz/seeds/$*/$$(md5sum <"$$f" | cut -c1-32)"; done
	@$< $(FUZZ_FLAGS) -artifact_prefix=build/fuzz/found/$*/ build/fuzz/corpus/$* build/fuzz/seeds/$* \
		$(wildcard src/test/fuzz/found/$*) >build/fuzz/$*.log 2>&1 || { tail -n 40 build/fuzz/$*.log; echo "$*: FAILED"; exit 1; }
	@echo "$*: no fault, $$(grep -o 'number_of_executed_units: .*' build/fuzz/$*.log)"
