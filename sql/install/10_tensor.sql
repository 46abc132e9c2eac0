-- The type tensor: input and output, casts, description, parts.

CREATE TYPE tensor;

CREATE FUNCTION tensor_in(cstring) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION tensor_out(tensor) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION tensor_recv(internal) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION tensor_send(tensor) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;

-- Elements are aligned so that they are used where they lie, and not compressed, which floating-point numbers hardly are.
CREATE TYPE tensor (
    INPUT = tensor_in,
    OUTPUT = tensor_out,
    RECEIVE = tensor_recv,
    SEND = tensor_send,
    ALIGNMENT = double,
    STORAGE = external
);
COMMENT ON TYPE tensor IS 'numbers, booleans or strings of one element type in any number of dimensions: [[1,2],[3,4]] or int64:[1,2]';
COMMENT ON FUNCTION tensor_in(cstring) IS 'I/O';
COMMENT ON FUNCTION tensor_out(tensor) IS 'I/O';
COMMENT ON FUNCTION tensor_recv(internal) IS 'I/O';
COMMENT ON FUNCTION tensor_send(tensor) IS 'I/O';

-- Description and construction.

CREATE FUNCTION maas_dtype(tensor) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;
COMMENT ON FUNCTION maas_dtype(tensor) IS 'the element type: float, int64, string ...';
CREATE FUNCTION maas_shape(tensor) RETURNS integer[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;
COMMENT ON FUNCTION maas_shape(tensor) IS 'the sizes of the dimensions; {} for a single element without dimensions';
CREATE FUNCTION maas_tensor(data bytea, dtype text, shape integer[]) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(data bytea, dtype text, shape integer[]) IS 'a tensor from the bytes of its elements, little-endian, row by row';
CREATE FUNCTION maas_tensor_data(tensor) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor_data(tensor) IS 'the bytes of the elements, little-endian, row by row';
CREATE FUNCTION maas_tensor_from_onnx(bytea) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_tensor_from_onnx(bytea) IS 'a tensor from the bytes of an ONNX TensorProto';
CREATE FUNCTION maas_tensor_to_onnx(tensor) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_tensor_to_onnx(tensor) IS 'the tensor as the bytes of an ONNX TensorProto';
CREATE FUNCTION maas_cast(tensor, dtype text, exact boolean DEFAULT true) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_cast(tensor, dtype text, exact boolean) IS 'the tensor with another element type, by the rules of the ONNX operator Cast; exact: a value that the new type cannot hold, as 1.9 for an integer, is an error';
CREATE FUNCTION maas_reshape(tensor, shape integer[]) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_reshape(tensor, shape integer[]) IS 'the same elements, row by row, in another shape';
CREATE FUNCTION maas_slice(tensor, VARIADIC indices integer[]) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_slice(tensor, VARIADIC indices integer[]) IS 'the part at the given leading indices, counted from 1';
CREATE FUNCTION maas_element(tensor, VARIADIC indices integer[]) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_element(tensor, VARIADIC indices integer[]) IS 'the number at the given indices, counted from 1';
CREATE FUNCTION maas_rows(tensor) RETURNS SETOF tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 ROWS 100;
COMMENT ON FUNCTION maas_rows(tensor) IS 'the parts of a tensor along its first dimension';

-- Arrays to tensors.  Not implicit: a comparison of two arrays would become ambiguous.

CREATE FUNCTION maas_tensor(real[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(real[]) IS 'an array as a tensor of type float; a null element is an error';
CREATE FUNCTION maas_tensor(double precision[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(double precision[]) IS 'an array as a tensor of type double; a null element is an error';
CREATE FUNCTION maas_tensor(smallint[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(smallint[]) IS 'an array as a tensor of type int16; a null element is an error';
CREATE FUNCTION maas_tensor(integer[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(integer[]) IS 'an array as a tensor of type int32; a null element is an error';
CREATE FUNCTION maas_tensor(bigint[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(bigint[]) IS 'an array as a tensor of type int64; a null element is an error';
CREATE FUNCTION maas_tensor(numeric[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION maas_tensor(numeric[]) IS 'an array as a tensor of type float; a null element is an error';
CREATE FUNCTION maas_tensor(boolean[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_tensor(boolean[]) IS 'an array as a tensor of type bool; a null element is an error';
CREATE FUNCTION maas_tensor(text[]) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION maas_tensor(text[]) IS 'an array as a tensor of type string; a null element is an error';
CREATE CAST (real[] AS tensor) WITH FUNCTION maas_tensor(real[]) AS ASSIGNMENT;
CREATE CAST (double precision[] AS tensor) WITH FUNCTION maas_tensor(double precision[]) AS ASSIGNMENT;
CREATE CAST (smallint[] AS tensor) WITH FUNCTION maas_tensor(smallint[]) AS ASSIGNMENT;
CREATE CAST (integer[] AS tensor) WITH FUNCTION maas_tensor(integer[]) AS ASSIGNMENT;
CREATE CAST (bigint[] AS tensor) WITH FUNCTION maas_tensor(bigint[]) AS ASSIGNMENT;
CREATE CAST (numeric[] AS tensor) WITH FUNCTION maas_tensor(numeric[]) AS ASSIGNMENT;
CREATE CAST (boolean[] AS tensor) WITH FUNCTION maas_tensor(boolean[]) AS ASSIGNMENT;
CREATE CAST (text[] AS tensor) WITH FUNCTION maas_tensor(text[]) AS ASSIGNMENT;

-- Tensors to arrays.  Numbers become numbers where the values fit; booleans and strings only what they are.

CREATE FUNCTION maas_real_array(tensor) RETURNS real[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_real_array(tensor) IS 'a tensor as an array of real; a value that does not fit is an error';
CREATE FUNCTION maas_double_array(tensor) RETURNS double precision[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_double_array(tensor) IS 'a tensor as an array of double precision; a value that does not fit is an error';
CREATE FUNCTION maas_smallint_array(tensor) RETURNS smallint[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_smallint_array(tensor) IS 'a tensor as an array of smallint; a value that does not fit is an error';
CREATE FUNCTION maas_integer_array(tensor) RETURNS integer[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_integer_array(tensor) IS 'a tensor as an array of integer; a value that does not fit is an error';
CREATE FUNCTION maas_bigint_array(tensor) RETURNS bigint[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_bigint_array(tensor) IS 'a tensor as an array of bigint; a value that does not fit is an error';
CREATE FUNCTION maas_boolean_array(tensor) RETURNS boolean[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION maas_boolean_array(tensor) IS 'a tensor as an array of boolean; a value that does not fit is an error';
CREATE FUNCTION maas_text_array(tensor) RETURNS text[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION maas_text_array(tensor) IS 'a tensor as an array of text; a value that does not fit is an error';
CREATE CAST (tensor AS real[]) WITH FUNCTION maas_real_array(tensor) AS ASSIGNMENT;
CREATE CAST (tensor AS double precision[]) WITH FUNCTION maas_double_array(tensor) AS ASSIGNMENT;
CREATE CAST (tensor AS smallint[]) WITH FUNCTION maas_smallint_array(tensor) AS ASSIGNMENT;
CREATE CAST (tensor AS integer[]) WITH FUNCTION maas_integer_array(tensor) AS ASSIGNMENT;
CREATE CAST (tensor AS bigint[]) WITH FUNCTION maas_bigint_array(tensor) AS ASSIGNMENT;
CREATE CAST (tensor AS boolean[]) WITH FUNCTION maas_boolean_array(tensor) AS ASSIGNMENT;
CREATE CAST (tensor AS text[]) WITH FUNCTION maas_text_array(tensor) AS ASSIGNMENT;

-- A tensor of one element to a number.

CREATE FUNCTION maas_real(tensor) RETURNS real
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;
COMMENT ON FUNCTION maas_real(tensor) IS 'the only element of a tensor as real';
CREATE CAST (tensor AS real) WITH FUNCTION maas_real(tensor);
CREATE FUNCTION maas_double(tensor) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;
COMMENT ON FUNCTION maas_double(tensor) IS 'the only element of a tensor as double precision';
CREATE CAST (tensor AS double precision) WITH FUNCTION maas_double(tensor);
CREATE FUNCTION maas_integer(tensor) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;
COMMENT ON FUNCTION maas_integer(tensor) IS 'the only element of a tensor as integer';
CREATE CAST (tensor AS integer) WITH FUNCTION maas_integer(tensor);
CREATE FUNCTION maas_bigint(tensor) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;
COMMENT ON FUNCTION maas_bigint(tensor) IS 'the only element of a tensor as bigint';
CREATE CAST (tensor AS bigint) WITH FUNCTION maas_bigint(tensor);
CREATE FUNCTION maas_boolean(tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;
COMMENT ON FUNCTION maas_boolean(tensor) IS 'the only element of a tensor as boolean';
CREATE CAST (tensor AS boolean) WITH FUNCTION maas_boolean(tensor);

-- JSON.

CREATE FUNCTION maas_tensor(jsonb) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION maas_tensor(jsonb) IS 'nested arrays as a tensor: numbers as float, booleans, strings; "NaN", "Infinity" and "-Infinity" are numbers';
CREATE FUNCTION maas_tensor(jsonb, dtype text) RETURNS tensor
AS 'MODULE_PATHNAME', 'maas_tensor_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION maas_tensor(jsonb, dtype text) IS 'nested arrays as a tensor of this element type';
CREATE FUNCTION maas_tensor_to_jsonb(tensor) RETURNS jsonb
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION maas_tensor_to_jsonb(tensor) IS 'a tensor as nested arrays';
CREATE CAST (jsonb AS tensor) WITH FUNCTION maas_tensor(jsonb);
CREATE CAST (tensor AS jsonb) WITH FUNCTION maas_tensor_to_jsonb(tensor);
