-- Casts between arrays and tensors.  Nothing is guessed, nothing is lost.
\set SHOW_CONTEXT never

-- Every array type has its element type.
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype, maas_shape(a::tensor) AS shape FROM (SELECT '{{1.5,-0,3e38},{NaN,Infinity,-Infinity}}'::real[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype FROM (SELECT '{0.1,1e300,NaN,-Infinity}'::float8[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype FROM (SELECT '{-32768,32767}'::smallint[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype FROM (SELECT '{-2147483648,2147483647}'::integer[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype FROM (SELECT '{-9223372036854775808,9223372036854775807}'::bigint[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype FROM (SELECT '{0.1,16777217,NaN}'::numeric[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype FROM (SELECT '{t,f}'::boolean[] AS a) AS s;
SELECT a::tensor AS t, maas_dtype(a::tensor) AS dtype, maas_shape(a::tensor) AS shape FROM (SELECT '{{a,"b c"},{"",é}}'::text[] AS a) AS s;
SELECT ARRAY[1.5, 2.5]::tensor, ARRAY[[1, 2], [3, 4]]::tensor, ARRAY[[[1]], [[2]]]::float8[]::tensor;
-- Lower bounds are how an array is addressed, not what it holds.
SELECT '[0:1]={7,8}'::integer[]::tensor;

-- And back, every one of them.
SELECT '{{1.5,-0,3e38},{NaN,Infinity,-Infinity}}'::real[]::tensor::real[];
SELECT '{0.1,1e300,NaN,-Infinity}'::float8[]::tensor::float8[];
SELECT '{-32768,32767}'::smallint[]::tensor::smallint[];
SELECT '{{{1,2},{3,4}}}'::integer[]::tensor::integer[];
SELECT '{-9223372036854775808,9223372036854775807}'::bigint[]::tensor::bigint[];
SELECT '{t,f}'::boolean[]::tensor::boolean[];
SELECT '{{a,"b c"},{"",é}}'::text[]::tensor::text[];

-- Between numbers where the values fit.
SELECT '[1,2,-3]'::tensor::integer[], '[1,2,-3]'::tensor::bigint[], '[1,2,-3]'::tensor::smallint[], '[1,2.5]'::tensor::float8[],
       'int64:[1,2]'::tensor::real[], 'double:[0.1]'::tensor::real[], 'float16:[0.5]'::tensor::real[], 'uint8:[255]'::tensor::integer[];
SELECT '[0.1]'::tensor::float8[];
SELECT '[[1,2],[1.9,4]]'::tensor::integer[];
SELECT '[1,-0.5]'::tensor::bigint[];
SELECT '[NaN]'::tensor::integer[];
SELECT '[Infinity]'::tensor::bigint[];
SELECT '[32768]'::tensor::smallint[];
SELECT '[2147483648]'::tensor::integer[];
SELECT 'uint64:[9223372036854775808]'::tensor::bigint[];
SELECT 'double:[1e300]'::tensor::real[];
SELECT '{1e300}'::numeric[]::tensor;

-- Kinds are not mixed.
SELECT 'bool:[true]'::tensor::real[];
SELECT 'bool:[true]'::tensor::integer[];
SELECT '[1,0]'::tensor::boolean[];
SELECT 'string:["1"]'::tensor::real[];
SELECT '[1]'::tensor::text[];
SELECT 'complex64:[[1,2]]'::tensor::real[];

-- Nulls.
SELECT '{1,NULL,3}'::real[]::tensor;
SELECT '{{1,2},{3,NULL}}'::float8[]::tensor;
SELECT '[5:6]={1,NULL}'::integer[]::tensor;
SELECT '{a,NULL}'::text[]::tensor;
SELECT '{1.5,NULL}'::numeric[]::tensor;
SELECT '{NULL}'::boolean[]::tensor;
SELECT NULL::real[]::tensor IS NULL, NULL::tensor::real[] IS NULL;
-- A null that was overwritten leaves an array with an empty bitmap.
DO $$ DECLARE a real[] := '{1,NULL,3}'; BEGIN a[2] := 2; RAISE NOTICE '%', a::tensor; END $$;

-- Empty arrays, and tensors without elements.
SELECT '{}'::real[]::tensor, maas_shape('{}'::real[]::tensor), maas_dtype('{}'::bigint[]::tensor), '{}'::text[]::tensor, '{}'::boolean[]::tensor, '{}'::numeric[]::tensor;
SELECT '[]'::tensor::real[], 'float(3,0):[]'::tensor::real[], 'string(0):[]'::tensor::text[], 'int64(0):[]'::tensor::bigint[];

-- Ragged arrays do not exist in SQL.
SELECT '{{1,2},{3}}'::real[]::tensor;
SELECT ARRAY[ARRAY[1, 2], ARRAY[3]]::tensor;

-- Rank 0 is not an array, and rank 7 does not fit one.
SELECT '5'::tensor::real[];
SELECT 'string:"a"'::tensor::text[];
SELECT '[[[[[[[1]]]]]]]'::tensor::real[];
SELECT '[[[[[[1]]]]]]'::tensor::real[];

-- One number.
SELECT '5'::tensor::float8, '[5.5]'::tensor::real, 'int64:[[7]]'::tensor::bigint, '[3]'::tensor::integer, 'bool:true'::tensor::boolean;
SELECT '[NaN]'::tensor::float8, '-Infinity'::tensor::real;
SELECT '[1,2]'::tensor::float8;
SELECT '[]'::tensor::float8;
SELECT '[1.9]'::tensor::integer;
SELECT '[1]'::tensor::boolean;
SELECT 'bool:true'::tensor::float8;

-- Assignment.
CREATE TEMP TABLE assigned (r real[], t tensor, b bigint[]);
INSERT INTO assigned VALUES ('[1,2]'::tensor, ARRAY[1, 2]::real[], 'int64:[5]'::tensor);
INSERT INTO assigned (t) VALUES (ARRAY[true]), (ARRAY['a']::text[]), (ARRAY[1, 2]);
SELECT * FROM assigned;
INSERT INTO assigned (b) VALUES ('[1.5]'::tensor);

-- Any elements, there and back.
SELECT bool_and(a::tensor::real[] = a) FROM (SELECT array_agg((random() * 1e6)::real) AS a FROM generate_series(1, 1000) GROUP BY random() < 0.5) AS s;
SELECT bool_and(a::tensor::text::tensor = a::tensor) FROM (SELECT array_agg(random() * power(10, (i % 600) - 300)) AS a FROM generate_series(1, 5000) AS i) AS s;
SELECT bool_and(a::tensor::text::tensor::real[] = a) FROM (SELECT array_agg((random() * power(10, (i % 70) - 35))::real) AS a FROM generate_series(1, 5000) AS i) AS s;

-- The casts leave operators of arrays alone.
SELECT '{1}'::real[] = '{1}'::real[], '{1}'::integer[] < '{2}', '{a}'::text[] || 'b'::text, '{1}'::bigint[] <> '{1}', '{1}'::numeric[] @> '{1}';
