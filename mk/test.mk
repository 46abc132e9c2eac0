# Programs on the engine that need no server: unit tests, conformance, tools.  Each src/test/engine/*.c is part of
# one unit test program; each src/test/tool/*.c is a program of its own.

TEST_SRC = $(wildcard src/test/engine/*.c)
TEST_OBJ = $(TEST_SRC:%.c=$(BUILD)/%.o)
-include $(TEST_OBJ:.o=.d)

$(BUILD)/engine_test: $(TEST_OBJ) $(ENGINE_LIB)
	$(ENGINE_CC) $(ENGINE_CFLAGS) $(TEST_OBJ) $(ENGINE_LIBS) -o $@

$(BUILD)/tool/%: src/test/tool/%.c $(ENGINE_LIB)
	@mkdir -p $(@D)
	$(ENGINE_CC) $(ENGINE_CFLAGS) -MMD -MP $< $(ENGINE_LIBS) -o $@

.PHONY: lint
lint: engine
	@tools/lint
