-- Equality, order, hash, arithmetic, distances.
\set SHOW_CONTEXT never

-- Type, shape and elements count; NaN equals itself, and zero has one value.
SELECT a, b, a = b AS eq, a <> b AS ne, a < b AS lt, a <= b AS le, a > b AS gt, a >= b AS ge, sign(tensor_cmp(a, b)) AS cmp, tensor_hash(a) = tensor_hash(b) AS hash,
       tensor_hash_extended(a, 7) = tensor_hash_extended(b, 7) AS hash7
FROM (VALUES ('[1,2]'::tensor, '[1,2]'::tensor), ('[1,2]', '[1,3]'), ('[1,2]', '[[1,2]]'), ('[1,2]', 'double:[1,2]'), ('[NaN]', '[NaN]'), ('[NaN]', '[Infinity]'),
             ('[0]', '[-0]'), ('double:[0,NaN]', 'double:[-0,NaN]'), ('[]', 'float(2,0):[]'), ('[1]', '[1,0]'), ('string:["a"]', 'string:["ab"]'), ('string:["b"]', 'string:["ab"]'),
             ('float16:[NaN,-0]', 'float16:[NaN,0]'), ('uint64:[18446744073709551615]', 'uint64:[1]'), ('int64:[-1]', 'int64:[1]'), ('complex64:[[0,1]]', 'complex64:[[-0,1]]'),
             ('bool:[true]', 'bool:[false]'), ('int4:[-1]', 'int4:[1]')) AS v (a, b);
-- Another bit pattern of NaN is NaN.
SELECT maas_tensor('\x0000c0ff', 'float', '{1}') = '[NaN]', tensor_hash(maas_tensor('\x0000c0ff', 'float', '{1}')) = tensor_hash('[NaN]');
SELECT NULL::tensor = '[1]' IS NULL;

CREATE TEMP TABLE t (i int, x tensor);
INSERT INTO t VALUES (1, '[1,2]'), (2, '[1,2]'), (3, '[NaN]'), (4, '[NaN]'), (5, '[-0]'), (6, '[0]'), (7, 'int64:[1]'), (8, NULL);
SELECT count(*) FROM (SELECT DISTINCT x FROM t) AS s;
SET enable_hashagg = off;
SELECT x = '[0]' AS zero, count(*) FROM t WHERE x IS NOT NULL GROUP BY x ORDER BY x;
RESET enable_hashagg;
CREATE UNIQUE INDEX ON t (x);
DELETE FROM t WHERE i IN (2, 4, 6);
CREATE UNIQUE INDEX ON t (x);
CREATE INDEX ON t USING hash (x);
SET enable_seqscan = off;
SELECT i FROM t WHERE x = '[NaN]';
SELECT i FROM t WHERE x > '[1]' ORDER BY x;
RESET enable_seqscan;
ANALYZE t;
INSERT INTO t VALUES (9, '[0]');

-- Arithmetic.
SELECT '[1,2]'::tensor + '[10,20]', '[1,2]'::tensor - '[10,20]', '[1,2]'::tensor * '[10,20]', '[1,2]'::tensor / '[10,-8]', -'[1,-2,0]'::tensor;
SELECT '[1,2]'::tensor + 1, '[1,2]'::tensor * 0.5, 1 - '[1,2]'::tensor, 1 / '[1,2]'::tensor, '[1,2]'::tensor - 1, 2 * '[1,2]'::tensor, 1 + '[1]'::tensor, '[3]'::tensor / 2;
SELECT '[[1,2],[3,4]]'::tensor + '[10,20]', '[[1],[2]]'::tensor * '[10,20,30]', '5'::tensor + '[1]', '[[[1]],[[2]]]'::tensor + '[[1,2],[3,4]]';
SELECT 'double:[[1,2],[3,4]]'::tensor + 'double:[[10],[20]]', 'float(0,2):[]'::tensor + '[1,2]', '[]'::tensor * 3;
SELECT 'int64:[7,-7]'::tensor / 'int64:[2]', 'uint8:[200]'::tensor + 55, 'int32:[1]'::tensor * 3, 'float16:[1.5]'::tensor * 2, 'bfloat16:[1]'::tensor / 3, -'int8:[5]'::tensor;
SELECT '[1,-1,0]'::tensor / 0, '[3e38]'::tensor * 10, '[NaN]'::tensor + 1, '[Infinity]'::tensor - '[Infinity]';
SELECT '[1,2]'::tensor + '[1,2,3]';
SELECT '[1]'::tensor + 'double:[1]';
SELECT 'bool:[true]'::tensor + 'bool:[true]';
SELECT 'bool:[true]'::tensor + 1;
SELECT 'string:["a"]'::tensor + 'string:["a"]';
SELECT 'int8:[100]'::tensor + 'int8:[100]';
SELECT 'uint8:[200]'::tensor + 56;
SELECT 'uint8:[1]'::tensor - 2;
SELECT 'int32:[1]'::tensor + 0.5;
SELECT 'int8:[1]'::tensor + 1000;
SELECT 'int64:[1]'::tensor + 1e19;
SELECT 'int64:[1]'::tensor * 'NaN'::float8;
SELECT 'int64:[9223372036854775807]'::tensor + 1;
SELECT 'int64:[-9223372036854775808]'::tensor / -1;
SELECT 'int64:[1,5]'::tensor / 'int64:[1,0]';
SELECT -'uint8:[1]'::tensor;
SELECT 'uint64:[18446744073709551615]'::tensor + 'uint64:[1]';
SELECT 'uint64:[18446744073709551615]'::tensor - 'uint64:[1]';
SELECT maas_reshape('[1]', array_fill(1, '{16}')) + '[1,2]';
-- A result that is too large for one value.
SELECT array_fill(1::real, '{100000,1}')::tensor + array_fill(1::real, '{100000}')::tensor;

-- Distances.
SELECT '[1,2]'::tensor <-> '[4,6]', '[1,0]'::tensor <=> '[0,1]', '[1,2]'::tensor <#> '[3,4]', maas_inner_product('[1,2]', '[3,4]');
SELECT '[1,1]'::tensor <=> '[2,2]', '[1,1]'::tensor <=> '[-1,-1]', '[0,0]'::tensor <=> '[1,1]', '[]'::tensor <-> '[]', 'double:[1e100]'::tensor <=> 'double:[2e100]';
SELECT 'double:[1,2]'::tensor <-> 'double:[4,6]', 'float16:[1,2]'::tensor <-> '[4,6]', '[[1,2],[3,4]]'::tensor <-> '[[1,2],[3,5]]';
SELECT array_agg(i::real)::tensor <-> array_agg((i + 1)::real)::tensor AS d, maas_inner_product(array_agg(i::real)::tensor, array_agg(1::real)::tensor) AS s FROM generate_series(1, 1001) AS i;
SELECT '[1,2]'::tensor <-> '[1,2,3]';
SELECT '[1,2]'::tensor <-> '[[1,2]]';
SELECT 'int64:[1]'::tensor <-> 'int64:[1]';
