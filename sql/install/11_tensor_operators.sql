-- Operators of tensors: equality, order, arithmetic, distances; aggregates.

CREATE FUNCTION tensor_eq(tensor, tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_eq(tensor, tensor) IS 'implementation of operator =';
CREATE FUNCTION tensor_ne(tensor, tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_ne(tensor, tensor) IS 'implementation of operator <>';
CREATE FUNCTION tensor_lt(tensor, tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_lt(tensor, tensor) IS 'implementation of operator <';
CREATE FUNCTION tensor_le(tensor, tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_le(tensor, tensor) IS 'implementation of operator <=';
CREATE FUNCTION tensor_gt(tensor, tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_gt(tensor, tensor) IS 'implementation of operator >';
CREATE FUNCTION tensor_ge(tensor, tensor) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_ge(tensor, tensor) IS 'implementation of operator >=';
CREATE FUNCTION tensor_cmp(tensor, tensor) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_cmp(tensor, tensor) IS 'less, equal or greater in the order of indexes';
CREATE FUNCTION tensor_hash(tensor) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_hash(tensor) IS 'hash';
CREATE FUNCTION tensor_hash_extended(tensor, bigint) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION tensor_hash_extended(tensor, bigint) IS 'hash';

CREATE OPERATOR = (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR = (tensor, tensor) IS 'is equal to: same type, shape and elements';

CREATE OPERATOR <> (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR <> (tensor, tensor) IS 'is not equal to';

CREATE OPERATOR < (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR < (tensor, tensor) IS 'sorts before';

CREATE OPERATOR <= (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR <= (tensor, tensor) IS 'sorts before or is equal to';

CREATE OPERATOR > (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR > (tensor, tensor) IS 'sorts after';

CREATE OPERATOR >= (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR >= (tensor, tensor) IS 'sorts after or is equal to';

CREATE OPERATOR CLASS tensor_ops DEFAULT FOR TYPE tensor USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 tensor_cmp(tensor, tensor);
CREATE OPERATOR CLASS tensor_ops DEFAULT FOR TYPE tensor USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 tensor_hash(tensor), FUNCTION 2 tensor_hash_extended(tensor, bigint);

-- Arithmetic, element by element with broadcasting.

CREATE FUNCTION tensor_add(tensor, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_add(tensor, tensor) IS 'implementation of operator +';
CREATE FUNCTION tensor_add_number(tensor, double precision) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_add_number(tensor, double precision) IS 'implementation of operator +';
CREATE FUNCTION tensor_number_add(double precision, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_number_add(double precision, tensor) IS 'implementation of operator +';
CREATE OPERATOR + (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_add, COMMUTATOR = +);
COMMENT ON OPERATOR + (tensor, tensor) IS 'sum, element by element';
CREATE OPERATOR + (LEFTARG = tensor, RIGHTARG = double precision, FUNCTION = tensor_add_number, COMMUTATOR = +);
COMMENT ON OPERATOR + (tensor, double precision) IS 'sum, element by element';
CREATE OPERATOR + (LEFTARG = double precision, RIGHTARG = tensor, FUNCTION = tensor_number_add, COMMUTATOR = +);
COMMENT ON OPERATOR + (double precision, tensor) IS 'sum, element by element';
CREATE FUNCTION tensor_sub(tensor, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_sub(tensor, tensor) IS 'implementation of operator -';
CREATE FUNCTION tensor_sub_number(tensor, double precision) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_sub_number(tensor, double precision) IS 'implementation of operator -';
CREATE FUNCTION tensor_number_sub(double precision, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_number_sub(double precision, tensor) IS 'implementation of operator -';
CREATE OPERATOR - (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_sub);
COMMENT ON OPERATOR - (tensor, tensor) IS 'difference, element by element';
CREATE OPERATOR - (LEFTARG = tensor, RIGHTARG = double precision, FUNCTION = tensor_sub_number);
COMMENT ON OPERATOR - (tensor, double precision) IS 'difference, element by element';
CREATE OPERATOR - (LEFTARG = double precision, RIGHTARG = tensor, FUNCTION = tensor_number_sub);
COMMENT ON OPERATOR - (double precision, tensor) IS 'difference, element by element';
CREATE FUNCTION tensor_mul(tensor, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_mul(tensor, tensor) IS 'implementation of operator *';
CREATE FUNCTION tensor_mul_number(tensor, double precision) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_mul_number(tensor, double precision) IS 'implementation of operator *';
CREATE FUNCTION tensor_number_mul(double precision, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_number_mul(double precision, tensor) IS 'implementation of operator *';
CREATE OPERATOR * (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_mul, COMMUTATOR = *);
COMMENT ON OPERATOR * (tensor, tensor) IS 'product, element by element';
CREATE OPERATOR * (LEFTARG = tensor, RIGHTARG = double precision, FUNCTION = tensor_mul_number, COMMUTATOR = *);
COMMENT ON OPERATOR * (tensor, double precision) IS 'product, element by element';
CREATE OPERATOR * (LEFTARG = double precision, RIGHTARG = tensor, FUNCTION = tensor_number_mul, COMMUTATOR = *);
COMMENT ON OPERATOR * (double precision, tensor) IS 'product, element by element';
CREATE FUNCTION tensor_div(tensor, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_div(tensor, tensor) IS 'implementation of operator /';
CREATE FUNCTION tensor_div_number(tensor, double precision) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_div_number(tensor, double precision) IS 'implementation of operator /';
CREATE FUNCTION tensor_number_div(double precision, tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_number_div(double precision, tensor) IS 'implementation of operator /';
CREATE OPERATOR / (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = tensor_div);
COMMENT ON OPERATOR / (tensor, tensor) IS 'quotient, element by element';
CREATE OPERATOR / (LEFTARG = tensor, RIGHTARG = double precision, FUNCTION = tensor_div_number);
COMMENT ON OPERATOR / (tensor, double precision) IS 'quotient, element by element';
CREATE OPERATOR / (LEFTARG = double precision, RIGHTARG = tensor, FUNCTION = tensor_number_div);
COMMENT ON OPERATOR / (double precision, tensor) IS 'quotient, element by element';
CREATE FUNCTION tensor_neg(tensor) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION tensor_neg(tensor) IS 'implementation of operator -';
CREATE OPERATOR - (RIGHTARG = tensor, FUNCTION = tensor_neg);
COMMENT ON OPERATOR - (NONE, tensor) IS 'negated, element by element';

-- Distances between tensors of one shape.  Smaller is nearer.

CREATE FUNCTION maas_inner_product(tensor, tensor) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_inner_product(tensor, tensor) IS 'sum of the products of the elements';
CREATE FUNCTION maas_negative_inner_product(tensor, tensor) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_negative_inner_product(tensor, tensor) IS 'minus the sum of the products of the elements';
CREATE FUNCTION maas_l2_distance(tensor, tensor) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_l2_distance(tensor, tensor) IS 'Euclidean distance';
CREATE FUNCTION maas_cosine_distance(tensor, tensor) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_cosine_distance(tensor, tensor) IS '1 minus the cosine of the angle; NaN when one side is all zero';
CREATE OPERATOR <-> (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = maas_l2_distance, COMMUTATOR = <->);
COMMENT ON OPERATOR <-> (tensor, tensor) IS 'Euclidean distance';
CREATE OPERATOR <=> (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = maas_cosine_distance, COMMUTATOR = <=>);
COMMENT ON OPERATOR <=> (tensor, tensor) IS 'cosine distance';
CREATE OPERATOR <#> (LEFTARG = tensor, RIGHTARG = tensor, FUNCTION = maas_negative_inner_product, COMMUTATOR = <#>);
COMMENT ON OPERATOR <#> (tensor, tensor) IS 'negative inner product';

-- Aggregates.

CREATE FUNCTION maas_stack_step(internal, tensor) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_stack_step(internal, tensor) IS 'aggregate transition function';
CREATE FUNCTION maas_stack_final(internal) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_stack_final(internal) IS 'aggregate final function';
CREATE AGGREGATE maas_stack(tensor) (
    SFUNC = maas_stack_step, STYPE = internal, SSPACE = 8192, FINALFUNC = maas_stack_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE maas_stack(tensor) IS 'the tensors of all rows stacked along a new first dimension: a batch';

CREATE FUNCTION maas_sum_step(internal, tensor) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_sum_step(internal, tensor) IS 'aggregate transition function';
CREATE FUNCTION maas_sum_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_sum_combine(internal, internal) IS 'aggregate combine function';
CREATE FUNCTION maas_sum_serialize(internal) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_sum_serialize(internal) IS 'aggregate serial function';
CREATE FUNCTION maas_sum_deserialize(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_sum_deserialize(bytea, internal) IS 'aggregate deserial function';
CREATE FUNCTION maas_sum_final(internal) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_sum_final(internal) IS 'aggregate final function';
CREATE FUNCTION maas_avg_final(internal) RETURNS tensor
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION maas_avg_final(internal) IS 'aggregate final function';
CREATE AGGREGATE sum(tensor) (
    SFUNC = maas_sum_step, STYPE = internal, SSPACE = 8192, FINALFUNC = maas_sum_final, COMBINEFUNC = maas_sum_combine,
    SERIALFUNC = maas_sum_serialize, DESERIALFUNC = maas_sum_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(tensor) IS 'sum of all tensors, element by element';
CREATE AGGREGATE avg(tensor) (
    SFUNC = maas_sum_step, STYPE = internal, SSPACE = 8192, FINALFUNC = maas_avg_final, COMBINEFUNC = maas_sum_combine,
    SERIALFUNC = maas_sum_serialize, DESERIALFUNC = maas_sum_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(tensor) IS 'average of all tensors, element by element';
