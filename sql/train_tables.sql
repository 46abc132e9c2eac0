-- Models from tables: columns of every kind, gaps, splits, weights, what does not fit into memory; the models predict
-- by the columns' names.  Figures are compared with bounds: rounding differs from one CPU to another.
\set SHOW_CONTEXT never
SET client_min_messages = warning; -- a slow machine tells how far it is
CREATE TABLE iris (sepal_length real, sepal_width real, petal_length real, petal_width real, species text);
\copy iris FROM 'models/data/iris.csv' CSV HEADER
SELECT r ->> 'task' AS task, r -> 'version' AS version, r -> 'rows' AS rows, r -> 'validation_rows' AS apart, r -> 'epochs' AS epochs,
    r -> 'architecture' AS architecture, (r ->> 'validation_loss')::float8 < 0.5 AS learned
    FROM maas_train('iris', 'SELECT * FROM iris', target => 'species', options => '{"seed":1}') r;
SELECT maas_describe('iris') -> 'inputs' AS inputs, maas_describe('iris') -> 'outputs' AS outputs, maas_describe('iris') -> 'origin' AS origin;
SELECT (maas_evaluate('iris', 'SELECT * FROM iris', 'species') ->> 'accuracy')::float8 > 0.9 AS good;
SELECT count(*) FILTER (WHERE maas_classify('iris', i) = species) > 54 AS good FROM iris, LATERAL
    (SELECT sepal_length, sepal_width, petal_length, petal_width) i;
-- The same seed gives the same model, another seed another one.
SELECT maas_train('iris', 'SELECT * FROM iris', 'species', options => '{"seed":1}') -> 'version' AS version;
SELECT maas_train('iris', 'SELECT * FROM iris', 'species', options => '{"seed":2}', deploy => false) -> 'version' AS version;
SELECT count(DISTINCT sha256) FROM maas.versions WHERE name = 'iris';
SELECT version, deployed, metrics ? 'accuracy' AS metrics FROM maas.versions WHERE name = 'iris' ORDER BY version;
-- Each run is a row.
SELECT model, version, status, query, target, options, seed, jsonb_array_length(epochs) AS epochs, epochs -> 0 ? 'loss' AS loss,
    seconds > 0 AS seconds, seconds_reading > 0 AND seconds_learning > 0 AND seconds_reading + seconds_learning < seconds AS parts, error FROM maas.training_runs WHERE model = 'iris' ORDER BY id;
SELECT count(*) AS running FROM maas.training_progress;

-- Numbers, truth values, categories, times, gaps; what is learned is a number.
CREATE TYPE size AS ENUM ('small', 'large');
CREATE TABLE sales (day date, hour timestamptz, shop text, size size, open boolean, price numeric, visitors integer, total float8);
INSERT INTO sales SELECT '2026-01-01'::date + i % 90, '2026-01-01 00:00+00'::timestamptz + i * interval '1 hour',
    CASE WHEN i % 11 = 0 THEN NULL ELSE (ARRAY['north', 'south', 'east'])[1 + i % 3] END, (ARRAY['small', 'large'])[1 + i % 2]::size,
    CASE WHEN i % 13 = 0 THEN NULL ELSE i % 5 > 0 END, CASE WHEN i % 7 = 0 THEN NULL ELSE i % 17 + 0.25 END, i % 23,
    1000 + 10 * (i % 23) + 50 * (i % 3) + 100 * (i % 2) + 20 * (i % 17)
    FROM generate_series(1, 2000) i;
SELECT r ->> 'task' AS task, r -> 'rows' AS rows, (r #>> '{metrics,r2}')::float8 > 0.8 AS good, r -> 'architecture' AS architecture
    FROM maas_train('sales', 'SELECT * FROM sales', 'total', options => '{"seed":1,"epochs":30}') r;
SELECT maas_describe('sales') -> 'inputs' AS inputs, maas_describe('sales') -> 'null_as_nan' AS null_as_nan;
SELECT (maas_evaluate('sales', 'SELECT * FROM sales', 'total') ->> 'r2')::float8 > 0.9 AS good;
-- A shop that was never seen, and gaps everywhere.
SELECT maas_score('sales', s) BETWEEN 500 AND 3000 AS sensible FROM (SELECT '2026-02-01'::date AS day, now() AS hour, 'west' AS shop,
    'large'::size AS size, NULL::boolean AS open, NULL::numeric AS price, 5 AS visitors) s;
SELECT maas_score('sales', s) BETWEEN 500 AND 3000 AS sensible FROM (SELECT '2026-02-01'::date AS day, now() AS hour, NULL::text AS shop,
    'large'::size AS size, true AS open, 3 AS price, 5 AS visitors) s;

-- Rows: left out, kept apart, weighted.
SELECT r -> 'rows' AS rows, r -> 'validation_rows' AS apart, r -> 'dropped_rows' AS dropped
    FROM maas_train('t', 'SELECT shop, price, visitors, total FROM sales', 'total', options => '{"seed":1,"epochs":1,"missing":"drop"}') r;
SELECT r -> 'rows' AS rows, r -> 'validation_rows' AS apart, r -> 'duplicate_rows' AS duplicates
    FROM maas_train('t', 'SELECT visitors, visitors + 0.5 AS y FROM sales', 'y', options => '{"seed":1,"epochs":1,"deduplicate":true,"validation":0}') r;
SELECT r -> 'rows' AS rows, r -> 'validation_rows' AS apart, r #> '{metrics,per_class,0,support}' AS a, r #> '{metrics,per_class,1,support}' AS b
    FROM maas_train('t', 'SELECT visitors, size FROM sales', 'size',
        options => '{"seed":1,"epochs":1,"split":"stratified","validation":0.2,"class_weights":"balanced"}') r;
SELECT r -> 'rows' AS rows, r -> 'validation_rows' AS apart, maas_describe('t') #>> '{inputs,0,name}' AS input, jsonb_array_length(maas_describe('t') -> 'inputs') AS inputs
    FROM maas_train('t', 'SELECT visitors, total, day > ''2026-03-01'' AS late, visitors + 1 AS w FROM sales', 'total',
        options => '{"seed":1,"epochs":1,"validation_column":"late","weight_column":"w"}') r;
SELECT r -> 'rows' AS rows, r -> 'dropped_rows' AS dropped
    FROM maas_train('t', 'SELECT CASE WHEN i % 5 = 0 THEN ''NaN'' ELSE i::real END AS x, CASE WHEN i % 7 = 0 THEN ''infinity''::date ELSE ''2026-01-01''::date + i END AS d, i + 0.5 AS y
        FROM generate_series(1, 70) i', 'y', options => '{"seed":1,"epochs":1,"missing":"drop","validation":0}') r;
-- Outliers are moved to so many deviations, in the column's own unit, too.
SELECT (r #>> '{metrics,r2}')::float8 > 0.9 AS good FROM maas_train('t', 'SELECT 100 * (i % 7)::real AS x, i % 7 + 0.5 AS y FROM generate_series(1, 300) i', 'y',
    options => '{"seed":1,"epochs":100,"clip_outliers":5,"standardize":false}') r;
SELECT maas_predict('t', a) = maas_predict('t', b) AS same FROM (SELECT 1e6::real AS x) a, (SELECT 1e9::real AS x) b;
-- A row of weight 0 is as good as none: whole numbers there would spoil all.
SELECT (r #>> '{metrics,accuracy}')::float8 > 0.95 AS good FROM maas_train('t',
    'SELECT i % 10 AS x, CASE WHEN i % 4 = 0 THEN i % 10 < 5 ELSE i % 10 >= 5 END AS y, (i % 4 > 0)::integer AS w, i > 1000 AND i % 4 > 0 AS apart FROM generate_series(1, 1200) i',
    'y', options => '{"seed":1,"epochs":60,"weight_column":"w","validation_column":"apart"}') r;

-- Numbers of different sizes side by side, and numbers that floats do not tell apart.
CREATE TABLE sums AS SELECT (i % 7)::real AS a, (i % 5)::real AS b FROM generate_series(1, 300) i;
SELECT (r #>> '{metrics,r2}')::float8 > 0.9 AS good FROM maas_train('two', 'SELECT a, b, ARRAY[1000 * a, b / 1000] AS y FROM sums', 'y', options => '{"seed":1,"epochs":60}') r;
SELECT (maas_evaluate('two', 'SELECT a, b, ARRAY[1000 * a, b / 1000] AS y FROM sums', 'y') ->> 'r2')::float8 > 0.9 AS good;
SELECT (r #>> '{metrics,mae}')::float8 BETWEEN 1e-9 AND 0.5 AS near FROM maas_train('far', 'SELECT a, b, 1e9::float8 + a AS y FROM sums', 'y', options => '{"seed":1,"epochs":60}') r;
SELECT maas_score('far', s) BETWEEN 1000000002.5 AND 1000000003.5 AS near FROM (SELECT 3::real AS a, 2::real AS b) s;
SELECT (maas_evaluate('far', 'SELECT a, b, 1e9::float8 + a AS y FROM sums', 'y') ->> 'mae')::float8 BETWEEN 1e-9 AND 0.5 AS near;
SELECT maas_fine_tune('far', 'SELECT a, b, 1e9::float8 + a AS y FROM sums', 'y', '{"seed":1,"epochs":1}') -> 'version' AS version;
SELECT (r #>> '{metrics,mae}')::float8 < 30 AS near FROM maas_train('far', 'SELECT a, b, ''2026-01-01 00:00+00''::timestamptz + a * interval ''1 min'' AS y FROM sums', 'y',
    options => '{"seed":1,"epochs":60}') r;
-- Losses to which the unit matters: counts, shares, distributions.
SELECT (r #>> '{metrics,r2}')::float8 > 0.9 AS good FROM maas_train('counts', 'SELECT a, b, (a + b)::integer AS y FROM sums', 'y',
    options => '{"seed":1,"epochs":60,"loss":"poisson","task":"regress"}') r;
SELECT (r #>> '{metrics,r2}')::float8 > 0.9 AS good FROM maas_train('shares', 'SELECT a, b, (a + b) / 10 AS y FROM sums', 'y',
    options => '{"seed":1,"epochs":60,"loss":"binary_cross_entropy"}') r;
SELECT (r #>> '{metrics,r2}')::float8 > 0.9 AS good FROM maas_train('shares', 'SELECT a, b, ARRAY[a / 12, b / 12, 1 - (a + b) / 12] AS y FROM sums', 'y',
    options => '{"seed":1,"epochs":100,"loss":"cross_entropy"}') r;
SELECT abs((SELECT sum(x) FROM unnest(maas_predict('shares', s)::float8[]) x) - 1) < 1e-5 AS distribution FROM (SELECT 3::real AS a, 2::real AS b) s;
DROP TABLE sums;

-- Classes that are numbers are named as they are and ordered by size.
CREATE TABLE numbered AS SELECT (i % 97)::real AS x, (i * 37 % 120 - 20)::smallint AS y FROM generate_series(1, 480) i;
SELECT r -> 'task' AS task FROM maas_train('numbered', 'SELECT * FROM numbered', 'y', options => '{"seed":1,"epochs":1,"task":"classify"}') r;
SELECT maas_describe('numbered') -> 'classes' = (SELECT jsonb_agg(y::text ORDER BY y) FROM (SELECT DISTINCT y FROM numbered) n) AS right;

-- Arrays, tensors and several inputs.
CREATE TABLE digits (digit integer, pixels smallint[]);
\copy digits FROM 'models/data/digits.csv' CSV HEADER
SELECT r ->> 'task' AS task, r -> 'classes' AS classes, r -> 'architecture' AS architecture
    FROM maas_train('digits', 'SELECT maas_reshape(pixels::real[]::tensor, ARRAY[8,8]) AS image, digit FROM digits', 'digit', options => '{"seed":1,"epochs":12}') r;
SELECT (maas_evaluate('digits', 'SELECT maas_reshape(pixels::real[]::tensor, ARRAY[8,8]) AS image, digit FROM digits', 'digit') ->> 'accuracy')::float8 > 0.9 AS good;
SELECT maas_describe('digits') -> 'inputs';
SELECT r -> 'rows' AS rows, (r #>> '{metrics,accuracy}')::float8 > 0.7 AS good FROM maas_train('words', 'SELECT pixels, digit FROM digits', 'digit',
    architecture => '{"layers":[{"embedding":[17,4]},{"conv1d":[16,3],"activation":"relu"},"flatten",{"dense":"output"}]}', options => '{"seed":1,"epochs":30}') r;
SELECT maas_describe('words') -> 'inputs';
SELECT r -> 'architecture' AS architecture FROM maas_train('both', 'SELECT pixels, digit % 2 AS odd, digit FROM digits', 'digit', options => '{"seed":1,"epochs":2}') r;
SELECT maas_describe('both') -> 'inputs';
SELECT jsonb_array_length(maas_predict('both', (SELECT jsonb_build_object('pixels', jsonb_build_array(to_jsonb(pixels)), 'odd', '[[1]]'::jsonb) FROM digits LIMIT 1)) #> '{probabilities,0}');

-- Columns may be called like what is within the model.
SELECT r -> 'rows' AS rows FROM maas_train('inner', 'SELECT i % 3 AS output, i % 5 AS label, i % 7 AS "prepare/constant_0", i % 2 AS "prepare/Cast_4", i % 2 = 0 AS y
    FROM generate_series(1, 100) i', 'y', options => '{"seed":1,"epochs":1,"validation":0}') r;
SELECT maas_describe('inner') -> 'inputs' AS inputs, maas_describe('inner') -> 'outputs' AS outputs;
SELECT r -> 'architecture' AS architecture FROM maas_train('inner', 'SELECT ARRAY[i % 3, i % 5] AS "input 1", ARRAY[i % 7, i % 2] AS output, i % 2 = 0 AS y
    FROM generate_series(1, 100) i', 'y', options => '{"seed":1,"epochs":1,"validation":0}') r;

-- Images changed at random.
SELECT (r #>> '{metrics,accuracy}')::float8 > 0.7 AS good FROM maas_train('changed', 'SELECT maas_reshape(pixels::real[]::tensor, ARRAY[8,8]) AS image, digit FROM digits', 'digit',
    options => '{"seed":1,"epochs":20,"augment_shift":1,"augment_rotate":10,"augment_noise":0.1,"augment_crop":0.1,"augment_erase":2}') r;

-- More rows than maintenance_work_mem holds.
SET maintenance_work_mem = '1MB';
SELECT r -> 'rows' AS rows, r -> 'validation_rows' AS apart, (r #>> '{metrics,r2}')::float8 > 0.9 AS good FROM maas_train('large',
    'SELECT ARRAY[i % 7, i % 11, i % 13, i % 17, i % 19, i % 23, i % 29, i % 31]::real[] AS x, (i % 7 + i % 11 + i % 13)::real AS y FROM generate_series(1, 40000) i', 'y',
    options => '{"seed":1,"epochs":2,"batch_size":64}') r;
-- Batches are whole, and as large as was asked for: an epoch has the steps that schedules reckon with.
SELECT r -> 'rows' AS rows, r -> 'steps' AS steps FROM maas_train('large', 'SELECT array_fill(i % 7, ARRAY[500])::real[] || ARRAY[i % 3]::real[] AS x, (i % 7)::real AS y FROM generate_series(1, 3000) i', 'y',
    architecture => '{"layers":[{"dense":"output"}]}', options => '{"seed":1,"epochs":2,"batch_size":100,"validation":0}') r;
SELECT r -> 'rows' AS rows, r -> 'steps' AS steps FROM maas_train('large', 'SELECT array_fill(i % 7, ARRAY[500])::real[] || ARRAY[i % 3]::real[] AS x, (i % 7)::real AS y FROM generate_series(1, 3000) i', 'y',
    architecture => '{"layers":[{"dense":"output"}]}', options => '{"seed":1,"epochs":2,"batch_size":1000,"validation":0}') r;
SET maas.memory_limit = '2MB';
SELECT maas_train('large', 'SELECT array_fill(i % 7, ARRAY[500])::real[] || ARRAY[i % 3]::real[] AS x, (i % 7)::real AS y FROM generate_series(1, 3000) i', 'y',
    architecture => '{"layers":[{"dense":"output"}]}', options => '{"seed":1,"epochs":2,"batch_size":2000,"validation":0}');
RESET maas.memory_limit;
SET client_min_messages = notice;
SELECT r -> 'rows' AS rows FROM maas_train('large', 'SELECT array_fill(i % 7, ARRAY[2000])::real[] || ARRAY[i % 3]::real[] AS x, (i % 7)::real AS y FROM generate_series(1, 200) i', 'y',
    architecture => '{"layers":[{"dense":"output"}]}', options => '{"seed":1,"epochs":1}') r;
RESET maintenance_work_mem;

-- A loss that is no number ends it, and the last good checkpoint stays.
\set VERBOSITY terse
SELECT maas_train('diverges', 'SELECT i::real AS x, (i * i)::real AS y FROM generate_series(1, 500) i', 'y',
    options => '{"seed":1,"epochs":50,"optimizer":"sgd","learning_rate":1000000,"standardize":false,"checkpoint":1}');
\set VERBOSITY default
-- Cancelled at once; it goes on from the last checkpoint.
SET statement_timeout = '2s';
DO $$
DECLARE
    begun CONSTANT timestamptz := clock_timestamp();
BEGIN
    SET LOCAL client_min_messages = warning;
    PERFORM maas_train('long', 'SELECT * FROM iris', 'species', options => '{"seed":3,"epochs":100000000,"checkpoint":5}');
EXCEPTION WHEN query_canceled THEN
    RAISE NOTICE 'cancelled in time: %', clock_timestamp() - begun < interval '6 s';
END
$$;
RESET statement_timeout;
SELECT (r ->> 'steps')::bigint >= 5 AS went_on, r ? 'metrics' AS metrics FROM maas_train('long', 'SELECT * FROM iris', 'species', options => '{"seed":3,"epochs":1,"resume":true}') r;
-- Another one has none.
SELECT r -> 'epochs' AS epochs FROM maas_train('long', 'SELECT * FROM iris', 'species', options => '{"seed":3,"epochs":1,"resume":true}') r;

-- Not from one whose numbers of classes stand for others by now.
CREATE TABLE moods AS SELECT i % 7 AS x, (ARRAY['bad', 'good'])[1 + i % 2] AS mood FROM generate_series(1, 100) i;
SET statement_timeout = '2s';
DO $$
BEGIN
    SET LOCAL client_min_messages = warning;
    PERFORM maas_train('moods', 'SELECT * FROM moods', 'mood', options => '{"seed":3,"epochs":100000000,"checkpoint":1}');
EXCEPTION WHEN query_canceled THEN
    RAISE NOTICE 'cancelled';
END
$$;
RESET statement_timeout;
UPDATE moods SET mood = 'middling' WHERE mood = 'bad';
SELECT maas_train('moods', 'SELECT * FROM moods', 'mood', options => '{"seed":3,"epochs":1,"resume":true}');
UPDATE moods SET mood = 'bad' WHERE mood = 'middling';
SELECT (r ->> 'steps')::bigint >= 1 AS went_on FROM maas_train('moods', 'SELECT * FROM moods', 'mood', options => '{"seed":3,"epochs":1,"resume":true}') r;
DROP TABLE moods;

SET client_min_messages = warning;

-- Fine-tuning: our own model and one that was made elsewhere.
SELECT r -> 'version' AS version, r -> 'epochs' AS epochs, (r #>> '{metrics,accuracy}')::float8 > 0.9 AS good
    FROM maas_fine_tune('iris@1', 'SELECT * FROM iris', 'species', '{"seed":1,"epochs":5,"freeze":"all but last","validation":0.3}') r;
SELECT origin, labels FROM maas.versions WHERE name = 'iris' AND deployed;
\set digits `base64 -w0 models/digits.onnx`
SELECT maas_load('elsewhere', decode(:'digits', 'base64'));
SELECT r -> 'version' AS version, (r #>> '{metrics,accuracy}')::float8 > 0.9 AS good
    FROM maas_fine_tune('elsewhere', 'SELECT maas_reshape(pixels::real[]::tensor, ARRAY[1,8,8]) AS image, digit FROM digits', 'digit',
        '{"seed":1,"epochs":2,"learning_rate":0.0001,"validation":0.3}') r;
-- A classifier with one unit at its end, whose two probabilities come of it: the loss is the one that it was trained with.
CREATE TABLE steps AS SELECT (i % 7)::real AS a, (i % 5)::real AS b, i % 7 > 3 AS high, i % 3 AS n FROM generate_series(1, 300) i;
SELECT maas_train('unit', 'SELECT a, b, high FROM steps', 'high', architecture => '{"layers":[{"dense":8,"activation":"relu"},{"dense":1}]}',
    options => '{"seed":1,"epochs":3,"validation":0}') -> 'version' AS version;
SELECT abs((r ->> 'loss')::float8 - (e ->> 'log_loss')::float8) < 1e-5 AS same FROM maas_evaluate('unit', 'SELECT a, b, high FROM steps', 'high') e,
    maas_fine_tune('unit', 'SELECT a, b, high FROM steps', 'high', '{"seed":1,"epochs":1,"batch_size":300,"learning_rate":0,"validation":0}', deploy => false) r;
SELECT (r #>> '{metrics,accuracy}')::float8 > 0.8 AS good FROM maas_fine_tune('unit', 'SELECT a, b, high FROM steps', 'high', '{"seed":1,"epochs":40}') r;
-- Whole numbers go on being numbers; truth values are the two classes of a model that has no names for them.
SELECT maas_train('unit', 'SELECT a, b, n FROM steps', 'n', options => '{"seed":1,"epochs":1,"task":"regress"}') -> 'version' AS version;
SELECT r -> 'task' AS task FROM maas_fine_tune('unit', 'SELECT a, b, n FROM steps', 'n', '{"seed":1,"epochs":1}') r;
SELECT r -> 'task' AS task FROM maas_fine_tune('unit', 'SELECT a, b, n % 2 AS n FROM steps', 'n', '{"seed":1,"epochs":1}') r;
SELECT maas_create('unit', '{"input":[2],"layers":[{"dense":1}]}', seed => 1);
SELECT r -> 'task' AS task FROM maas_fine_tune('unit', 'SELECT ARRAY[a, b] AS x, n FROM steps', 'n', '{"seed":1,"epochs":1}') r;
SELECT maas_create('unit', '{"input":[2],"layers":[{"dense":1,"activation":"sigmoid"}]}', seed => 1);
SELECT r -> 'task' AS task FROM maas_fine_tune('unit', 'SELECT ARRAY[a, b] AS x, high FROM steps', 'high', '{"seed":1,"epochs":1}') r;
DROP TABLE steps;
SELECT maas_fine_tune('iris', 'SELECT sepal_length, sepal_width, petal_length, petal_width, ''rose'' AS species FROM iris', 'species');
SELECT maas_fine_tune('iris', 'SELECT sepal_length, species FROM iris', 'species');
SELECT maas_fine_tune('none', 'SELECT * FROM iris', 'species');
\set wine `base64 -w0 models/wine.onnx`
SELECT maas_load('forest', decode(:'wine', 'base64'));
SELECT maas_fine_tune('forest', 'SELECT array_fill(i, ARRAY[13])::real[] AS x, i % 3 AS y FROM generate_series(1, 30) i', 'y');
SELECT count(maas_drop(name)::text) FROM maas.models;
DROP TABLE iris, sales, numbered, digits;
DROP TYPE size;
