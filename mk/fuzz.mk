# Fuzzing: each src/test/fuzz/*.c is a libFuzzer target, built by clang with AddressSanitizer and
# UndefinedBehaviorSanitizer.
#   make fuzz                               every target, FUZZ_SECONDS (60) each
#   make fuzz FUZZ="json" FUZZ_SECONDS=1200 only some
# First inputs come from src/test/fuzz/seeds.py, what was learned is kept in build/fuzz/corpus/, and an input that
# shows a fault in build/fuzz/found/.  Every fault found becomes a unit test.

FUZZ_SECONDS ?= 60
FUZZ ?= $(basename $(notdir $(wildcard src/test/fuzz/*.c)))
FUZZ_FLAGS = -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2500 -max_len=20000 -print_final_stats=0 -verbosity=0

$(BUILD)/fuzz/%: src/test/fuzz/%.c $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(subst fuzzer-no-link,fuzzer,$(ENGINE_CFLAGS)) -MMD -MP $< $(ENGINE_LIBS) -o $@
-include $(wildcard $(BUILD)/fuzz/*.d)

.PHONY: fuzz fuzz-targets
fuzz-targets: $(FUZZ:%=$(BUILD)/fuzz/%)

fuzz:
	$(MAKE) CONFIG=fuzz fuzz-targets
	$(PYTHON) src/test/fuzz/seeds.py build/fuzz/seeds
	@failed=0; \
	for target in $(FUZZ); do \
		mkdir -p build/fuzz/corpus/$$target build/fuzz/seeds/$$target build/fuzz/found; \
		if build/fuzz/fuzz/$$target $(FUZZ_FLAGS) -artifact_prefix=build/fuzz/found/$$target- build/fuzz/corpus/$$target \
			build/fuzz/seeds/$$target >build/fuzz/$$target.log 2>&1; then \
			echo "$$target: no fault in $(FUZZ_SECONDS) s, $$(ls build/fuzz/corpus/$$target | wc -l) inputs kept"; \
		else \
			failed=1; echo "$$target: FAILED, see build/fuzz/$$target.log"; tail -n 30 build/fuzz/$$target.log; \
		fi; \
	done; exit $$failed
