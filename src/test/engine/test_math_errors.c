/*
 * test_math_errors.c - what the elementwise, reduction, cast and quantisation operators refuse, and how they say
 * it.
 */
#include "refusal.h"

static const Refusal refusals[] = {
    {"Div", "", {"int32:[6,7]", "int32:[3,0]"}, "division by zero: element 1 of input B is 0", false, 0, NULL},
    {"Div", "", {"uint64:[6,7]", "uint64:[0]"}, "division by zero: element 0 of input B is 0", false, 0, NULL},
    {"Mod", "", {"int8:[6,7]", "int8:[2,0]"}, "division by zero: element 1 of input B is 0", false, 0, NULL},
    {"Mod", "fmod=1", {"int64:[6]", "int64:[0]"}, "division by zero", false, 0, NULL},
    {"Mod", "fmod=2", {"int64:[6]", "int64:[1]"}, "fmod must be 0 or 1, got 2", true, 0, NULL},
    {"Pow", "", {"int64:[2,0]", "int64:[1,-1]"}, "0 to the power of element 1", false, 0, NULL},
    {"Add", "", {"[1,2,3]", "[1,2]"}, "shapes [3] and [2] do not broadcast", true, 0, NULL},
    {"Add", "broadcast=1 axis=1", {"[[1,2,3]]", "[[1],[2]]"}, "does not fit at axis 1", true, 6, NULL},
    {"Where", "", {"bool:[true,false]", "[1,2,3]", "[1]"}, "do not broadcast", true, 0, NULL},
    {"PRelu", "", {"[1,2]", "[[1],[2]]"}, "slope", true, 0, NULL},
    {"Gelu", "approximate=fast", {"[1]"}, "approximate must be none or tanh, got \"fast\"", true, 0, NULL},
    {"BitShift", "direction=UP", {"uint8:[1]", "uint8:[1]"}, "direction must be LEFT or RIGHT", true, 0, NULL},
    {"Clip", "", {"[1,2]", "[0,1]"}, "input 1 must hold one element", true, 0, NULL},
    {"Softmax", "axis=2", {"[[1,2]]"}, "axis 2 is outside [-2, 1]", true, 0, NULL},
    {"ReduceSum", "", {"[[1,2]]", "int64:[0,0]"}, "axis", false, 0, NULL},
    {"ReduceMax", "", {"[[1,2]]", "int64:[5]"}, "axis 5 is outside", false, 0, NULL},
    {"ReduceMean", "", {"int32(0):[]"}, "the mean of no integers", false, 0, NULL},
    {"ArgMax", "axis=-3", {"[[1,2]]"}, "axis -3 is outside [-2, 1]", true, 0, NULL},
    {"ArgMin", "axis=1", {"float(2,0):[]"}, "is empty", false, 0, NULL},
    {"TopK", "", {"[1,2,3]", "int64:[4]"}, "K is 4, but axis 0 has only 3 elements", false, 0, NULL},
    {"TopK", "", {"[1,2,3]", "int64:[-1]"}, "K must not be negative", false, 0, NULL},
    {"CumSum", "", {"[1,2]", "int32:1"}, "axis 1 is outside", false, 0, NULL},
    {"Cast", "to=99", {"[1]"}, "element type 99", true, 0, NULL},
    {"Cast", "to=14", {"[1]"}, "which Cast cannot make", true, 0, NULL},
    {"Cast", "to=1 round_mode=odd", {"[1]"}, "round_mode must be up, down or nearest", true, 0, NULL},
    {"Cast", "to=1", {"string:[\"1\",\"one\"]"}, "element 1", false, 0, NULL},
    {"QuantizeLinear", "axis=1", {"[[1,2,3]]", "[1,2]"}, "length of the scale", true, 0, NULL},
    {"QuantizeLinear", "axis=3", {"[[1,2,3]]", "[1,2]"}, "axis 3 is outside", true, 0, NULL},
    {"QuantizeLinear", "axis=1 block_size=2", {"[[1,2,3]]", "[[1]]"}, "size of the scale", true, 0, NULL},
    {"QuantizeLinear", "block_size=-1", {"[[1,2,3]]", "1"}, "block_size must not be negative", true, 0, NULL},
    {"QuantizeLinear",
     "output_dtype=3",
     {"[1]", "1", "uint8:1"},
     "output_dtype is int8, the zero point's type uint8",
     true,
     0,
     NULL},
    {"DequantizeLinear", "output_dtype=3", {"int8:[1]", "1"}, "int8", true, 0, NULL},
    {"DequantizeLinear", "", {"int8:[1]", "[1,2]", "int8:[1]"}, "input 2", true, 0, NULL},
};

TEST(math_refusals)
{
    check_refusals(refusals, sizeof refusals / sizeof *refusals);
}
