-- Tensors from rows, rows from tensors.
\set SHOW_CONTEXT never

SELECT maas_stack(x ORDER BY i) FROM (VALUES (1, '[1,2]'::tensor), (2, '[3,4]'), (3, '[5,6]')) AS v (i, x);
SELECT maas_stack(x) FROM (VALUES ('1'::tensor), ('2')) AS v (x);
SELECT maas_stack(x ORDER BY x) FROM (VALUES ('string:["a","bc"]'::tensor), ('string:["","é"]')) AS v (x);
SELECT maas_stack(x) FROM (VALUES ('[]'::tensor), ('[]')) AS v (x);
SELECT maas_stack(x) FROM (SELECT '[1]'::tensor AS x WHERE false) AS s;
SELECT maas_shape(maas_stack(ARRAY[i, i + 1]::real[]::tensor ORDER BY i)), maas_slice(maas_stack(ARRAY[i, i + 1]::real[]::tensor ORDER BY i), 5000) FROM generate_series(1, 10000) AS i;
SELECT maas_stack(x) FROM (VALUES ('[1]'::tensor), (NULL)) AS v (x);
SELECT maas_stack(x) FILTER (WHERE x IS NOT NULL) FROM (VALUES ('[1]'::tensor), (NULL)) AS v (x);
SELECT maas_stack(x) FROM (VALUES ('[1]'::tensor), ('[1,2]')) AS v (x);
SELECT maas_stack(x) FROM (VALUES ('[1]'::tensor), ('double:[1]')) AS v (x);
SELECT maas_stack(x) FROM (SELECT maas_reshape('[1]', array_fill(1, '{16}')) AS x) AS s;
-- As a window.
SELECT maas_stack(x) OVER (ORDER BY i ROWS 1 PRECEDING) FROM (VALUES (1, '[1]'::tensor), (2, '[2]'), (3, '[3]')) AS v (i, x);

SELECT sum(x), avg(x) FROM (VALUES ('[1,2]'::tensor), ('[3,5]'), (NULL)) AS v (x);
SELECT sum(x), avg(x), maas_dtype(sum(x)), maas_dtype(avg(x)) FROM (VALUES ('int32:[1,2147483647]'::tensor), ('int32:[2,2147483647]')) AS v (x);
SELECT sum(x), avg(x) FROM (VALUES ('double:[0.1]'::tensor), ('double:[0.2]')) AS v (x);
SELECT sum(x), avg(x) FROM (VALUES ('[NaN,Infinity,1]'::tensor), ('[1,-Infinity,1]')) AS v (x);
SELECT sum(x), avg(x) FROM (VALUES (NULL::tensor)) AS v (x);
SELECT sum(x) FROM (VALUES ('float16:[1.5]'::tensor), ('float16:[1]')) AS v (x);
SELECT sum(x) FROM (VALUES ('uint8:[200]'::tensor), ('uint8:[200]')) AS v (x);
SELECT sum(x) FROM (VALUES ('[1]'::tensor), ('[1,2]')) AS v (x);
SELECT sum(x) FROM (VALUES ('int64:[9223372036854775807]'::tensor), ('int64:[1]')) AS v (x);
SELECT sum('bool:[true]'::tensor);
SELECT sum('string:["a"]'::tensor);
SELECT sum('uint64:[1]'::tensor);
SELECT sum(x) OVER (ORDER BY i) FROM (VALUES (1, '[1]'::tensor), (2, '[2]'), (3, '[3]')) AS v (i, x);

-- Parallel workers give the same.
CREATE TABLE many AS SELECT i, ARRAY[i, -i, i * 0.5]::real[]::tensor AS x, ARRAY[i]::tensor AS n FROM generate_series(1, 20000) AS i;
ANALYZE many;
SET max_parallel_workers_per_gather = 0;
SELECT sum(x) AS s, avg(x) AS a, sum(n) AS sn, avg(n) AS an FROM many \gset serial_
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS off) SELECT sum(x), avg(x), sum(n), avg(n) FROM many;
SELECT sum(x) = :'serial_s' AS s, avg(x) = :'serial_a' AS a, sum(n) = :'serial_sn' AS sn, avg(n) = :'serial_an' AS an FROM many;
SELECT count(*) FROM many WHERE x <-> '[0,0,0]' < 100;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DROP TABLE many;

SELECT r, n FROM maas_rows('[[1,2],[3,4],[5,6]]') WITH ORDINALITY AS r (r, n);
SELECT maas_rows('[1,2]');
SELECT maas_rows('string:[["a"],["b"]]');
SELECT maas_rows('[]');
SELECT maas_rows('float(2,0):[]');
SELECT maas_rows('5');
SELECT maas_stack(r) = '[[1,2],[3,4]]' FROM maas_rows('[[1,2],[3,4]]') AS r;
SELECT count(*), sum(r) FROM (SELECT maas_rows(array_agg(i::real)::tensor) AS r FROM generate_series(1, 1000) AS i) AS s;
SELECT maas_rows('[1,2,3]') LIMIT 1;

SELECT maas_slice('[[1,2],[3,4]]', 2), maas_slice('[[1,2],[3,4]]', 2, 1), maas_slice('string:["a","b"]', 2), maas_slice('float(2,0):[]', 2);
SELECT maas_element('[[1,2],[3,4]]', 2, 1), maas_element('int64:[7]', 1), maas_element('uint8:[255]', 1), maas_element('[NaN]', 1), maas_element('[1,2]', VARIADIC '{2}');
SELECT maas_slice('[[1,2],[3,4]]', 3);
SELECT maas_slice('[[1,2],[3,4]]', 0);
SELECT maas_slice('[[1,2],[3,4]]', 1, -1);
SELECT maas_slice('[1]', 1, 1);
SELECT maas_slice('[1]', NULL);
SELECT maas_element('[[1,2]]', 1);
SELECT maas_element('bool:[true]', 1);
SELECT maas_element('[]', 1);
