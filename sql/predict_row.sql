-- Rows as inputs: columns by name, or the numeric columns in order.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
SELECT maas_load('columns', :'columns'), maas_load('cities', :'cities'), maas_load('linear', :'linear'),
    maas_load('same_text', :'same_text'), maas_load('same_text_column', :'same_text_column'),
    maas_load('same_double', :'same_double'), maas_load('no_batch', :'no_batch'), maas_load('same_int', :'same_int'),
    maas_load('strings', :'strings'), maas_load('sum', :'sum'), maas_load('square', :'square'),
    maas_load('missing', :'linear', null_as_nan => true);
SELECT maas_load('gaps', :'columns', null_as_nan => true);

-- Several inputs: by name, in any order; the input with a default may be left out.
CREATE TABLE customers (income real, age int, member boolean, city_code smallint);
INSERT INTO customers VALUES (1000.5, 30, true, 47), (2000, 40, false, 1);
SELECT maas_predict('columns', c) FROM customers c;
SELECT maas_predict('columns', c.*) FROM customers c;
SELECT maas_predict('columns', c, output => 'y') FROM customers c;
SELECT maas_predict('columns', r) FROM (SELECT 2.5::numeric AS income, 30::numeric AS age, true AS member, 47::bigint AS city_code,
    ARRAY[10] AS scale) r;
SELECT maas_predict('columns', r) FROM (SELECT ARRAY[2.5] AS income, '[30]'::tensor AS age, ARRAY[[true]] AS member, 47 AS city_code) r;
-- Names that differ in the case of letters only; never one of two.
SELECT maas_predict('columns', r) FROM (SELECT 1 AS "Income", 30 AS "AGE", true AS member, 47 AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT 1 AS "Income", 1 AS "INCOME", 30 AS age, true AS member, 47 AS city_code) r;
-- Missing and extra columns are named.
SELECT maas_predict('columns', r) FROM (SELECT 1 AS income, true AS member) r;
SELECT maas_predict('columns', r) FROM (SELECT 1 AS id, c.* FROM customers c) r;
SELECT maas_predict('columns', r) FROM (SELECT 1 AS id, 'x' AS name, 30 AS age, 1 AS income, true AS member) r;
SELECT maas_predict('columns', ROW(1, 2, 3, 4));
-- Values that do not fit.
SELECT maas_predict('columns', r) FROM (SELECT 1 AS income, 30.5 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT 1 AS income, 30.5::float8 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT 1 AS income, 30 AS age, 1 AS member, 47 AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT true AS income, 30 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT '1' AS income, 30 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT 1 AS income, 30 AS age, true AS member, interval '1 day' AS city_code) r;
-- A date is its seconds since 1970.
SELECT maas_predict('columns', r) FROM (SELECT 1 AS income, 30 AS age, true AS member, date '1970-01-01' AS city_code) r;
SELECT maas_predict('columns', r) FROM (SELECT ARRAY[1,2] AS income, 30 AS age, true AS member, 47 AS city_code) r;
-- NULL inside.
SELECT maas_predict('columns', r) FROM (SELECT NULL::int AS income, 30 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('gaps', r) FROM (SELECT NULL::int AS income, 30 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('gaps', r) FROM (SELECT 1 AS income, NULL::int AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('gaps', r) FROM (SELECT ARRAY[NULL::real] AS income, 1 AS age, true AS member, 47 AS city_code) r;
SELECT maas_predict('columns', NULL::customers) IS NULL;
-- A column that was dropped, a column that is added.
ALTER TABLE customers ADD note text, DROP income;
SELECT maas_predict('columns', c) FROM customers c;
ALTER TABLE customers DROP note, ADD income real DEFAULT 7;
SELECT maas_predict('columns', c) FROM customers c;
DROP TABLE customers;

-- Text: columns of text, varchar, char, name and enums.
CREATE TYPE town AS ENUM ('Oslo', 'Bern');
CREATE DOMAIN capital AS text;
SELECT maas_predict('cities', r) FROM (SELECT 'Oslo' AS city) r;
SELECT maas_predict('cities', r) FROM (SELECT 'Bern'::varchar(10) AS city) r;
SELECT maas_predict('cities', r) FROM (SELECT 'Bern'::char(10) AS city) r;
SELECT maas_predict('cities', r) FROM (SELECT 'Oslo'::town AS city) r;
SELECT maas_predict('cities', r) FROM (SELECT 'Oslo'::name AS city) r;
SELECT maas_predict('cities', r) FROM (SELECT 'Bern'::capital AS city) r;
SELECT maas_predict('cities', r) FROM (SELECT 'Elsewhere' AS city) r;
SELECT maas_predict('cities', ROW('Oslo'::text));
SELECT maas_predict('cities', ROW(1));
SELECT maas_predict('cities', 'Oslo');
DROP TYPE town;
DROP DOMAIN capital;

-- One input: the numeric columns in order; others are passed over.
SELECT maas_predict('linear', ROW(1, 2.5, 3::real)), maas_predict('linear', ROW(1, 'a'::text, 2, true, 3));
SELECT maas_predict('linear', r) FROM (SELECT 'setosa' AS species, 1 AS a, 2 AS b, 3 AS c) r;
SELECT maas_predict('linear', r) FROM (SELECT 1 AS id, 1 AS a, 2 AS b, 3 AS c) r;
SELECT maas_predict('linear', r) FROM (SELECT 1 AS a, 'two' AS b, 3 AS c) r;
SELECT maas_predict('linear', ROW('x'::text));
SELECT maas_predict('linear', ROW(1, NULL::int, 3));
SELECT maas_predict('missing', ROW(1, NULL::int, 3)), maas_predict('missing', ROW('NaN'::real, 1, 'Infinity'::float8));
SELECT maas_predict('same_int', ROW(1, 2.0)), maas_predict('same_int', ROW(1::bigint, 2::float8));
SELECT maas_predict('same_int', ROW(1, 2.5));
SELECT maas_predict('same_int', ROW(1, 2.5::float8));
SELECT maas_predict('no_batch', ROW(1, 2)), maas_predict('same_double', ROW(1.5));
SELECT maas_predict('same_double', ROW(1.5, 2.5));
-- One input: the column of its name, or the only column when it is an array or a tensor.
SELECT maas_predict('linear', r) FROM (SELECT ARRAY[1,2,3] AS x) r;
SELECT maas_predict('linear', r) FROM (SELECT ARRAY[1,2,3] AS features) r;
SELECT maas_predict('linear', r) FROM (SELECT '[1,2,3]'::tensor AS features) r;
SELECT maas_predict('linear', r) FROM (SELECT 1 AS id, ARRAY[1,2,3] AS x) r;
SELECT maas_predict('square', r) FROM (SELECT 1 AS a, 2 AS b) r;

-- Labels and scores of rows.
SELECT maas_classify('strings', ROW(3, 1)), round(maas_score('strings', ROW(3, 1))::numeric, 6), maas_score('sum', ROW(1, 2, 3));

SELECT count(maas_drop(name)) FROM maas.models;
