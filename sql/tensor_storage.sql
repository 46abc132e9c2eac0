-- Tensors in tables: small, large and toasted, aligned wherever they lie; other encodings; the catalog's view of it all.
\set SHOW_CONTEXT never

CREATE TABLE stored (b boolean, x tensor, c "char", y tensor);
INSERT INTO stored VALUES (true, '[1,2,3]', 'a', 'double:[1,2,3]'), (NULL, '[]', 'b', '5'), (false, NULL, 'c', 'string:["a"]');
INSERT INTO stored SELECT true, array_agg(i::real), 'd', array_agg(i) FROM generate_series(1, 300000) AS i;
INSERT INTO stored SELECT true, array_agg(i::real), 'e', array_agg('text ' || i) FROM generate_series(1, 2500) AS i;
SELECT c, maas_shape(x), maas_dtype(y), maas_shape(y), pg_column_size(x), pg_column_size(y) > 0 AS y FROM stored ORDER BY c;
SELECT maas_slice(x, 300000), maas_slice(y, 299999) FROM stored WHERE c = 'd';
SELECT maas_slice(y, 2500) FROM stored WHERE c = 'e';
SELECT sum(r) FROM (SELECT maas_rows(x) AS r FROM stored WHERE c = 'd') AS s;
UPDATE stored SET x = x * 2 WHERE c = 'd';
SELECT maas_slice(x, 300000) FROM stored WHERE c = 'd';
-- Compressed on demand.
ALTER TABLE stored ALTER x SET STORAGE extended;
UPDATE stored SET x = array_fill(1::real, '{1000,100}') WHERE c = 'd';
SELECT pg_column_size(x) < 100000 AS compressed, maas_slice(x, 1000, 100) FROM stored WHERE c = 'd';
SELECT count(*) FROM stored AS a JOIN stored AS b ON a.x = b.x;
SELECT a.c FROM stored AS a WHERE a.x = array_fill(1::real, '{1000,100}')::tensor;
DROP TABLE stored;

-- Arrays and rows of tensors.
SELECT ARRAY['[1]', '[2,3]']::tensor[], (ARRAY['[1]', '[2,3]']::tensor[])[2], ROW('[1]'::tensor, 1);
SELECT array_agg(x) FROM (VALUES ('[1]'::tensor), (NULL), ('string:["a b"]')) AS v (x);
SELECT unnest(ARRAY['[1]', '[2,3]']::tensor[]);

-- 64 MB there and back.
SELECT maas_shape(x), maas_slice(x, 16000000) FROM (SELECT array_fill(0.5::real, '{16000000}')::tensor AS x) AS s;
SELECT length(maas_tensor_data(array_fill(0.5::real, '{16000000}')::tensor));

-- Memory is bounded.
SET maas.memory_limit = '1MB';
DO $$
DECLARE hint text;
BEGIN
    PERFORM ('[' || repeat('1,', 1000000) || '1]')::tensor;
EXCEPTION WHEN program_limit_exceeded THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RAISE NOTICE '% %', regexp_replace(SQLERRM, '\d+', 'N', 'g'), hint;
END $$;
RESET maas.memory_limit;
SELECT maas_shape(('[' || repeat('1,', 1000000) || '1]')::tensor);

-- A database of another encoding: strings of tensors stay UTF-8 inside.
SELECT current_database() AS here \gset
CREATE DATABASE maas_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c maas_latin1
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION maas;
RESET client_min_messages;
SELECT 'string:["é"]'::tensor;
SELECT 'string:["é"]'::tensor::text[], ARRAY['é']::tensor, ARRAY['é']::tensor = 'string:["\u00e9"]', maas_tensor_data(maas_tensor('\x', 'float', '{0}'));
SELECT 'string:["\u20ac\ud83d\ude00"]'::tensor, 'string:["\u20ac"]'::tensor::text::tensor = 'string:["\u20ac"]';
SELECT 'string:["\u20ac"]'::tensor::text[];
SELECT 'string:["\u20ac"]'::tensor::jsonb;
SELECT 'é:[1]'::tensor;
SELECT '[é]'::tensor;
\c :here
DROP DATABASE maas_latin1;

-- Every function has a comment and tells the planner what it is.
SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'maas'
WHERE obj_description(p.oid, 'pg_proc') IS NULL;
SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'maas'
WHERE p.proname LIKE '%tensor%' AND (p.provolatile <> 'i' OR p.proparallel <> 's' OR NOT p.proisstrict AND p.prokind = 'f');
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'tensor_ops';
