-- How well models do on rows that they have not learned from: figures of models/MANIFEST.md and of scikit-learn.
\set SHOW_CONTEXT never
\set iris `base64 -w0 models/iris.onnx`
\set wine `base64 -w0 models/wine.onnx`
\set digits `base64 -w0 models/digits.onnx`
\set patients `base64 -w0 models/patients.onnx`
SELECT maas_load('iris', decode(:'iris', 'base64')), maas_load('wine', decode(:'wine', 'base64')),
    maas_load('digits', decode(:'digits', 'base64')), maas_load('patients', decode(:'patients', 'base64'));
CREATE TEMP TABLE iris (sepal_length real, sepal_width real, petal_length real, petal_width real, species text);
\copy iris FROM 'models/data/iris.csv' CSV HEADER
CREATE TEMP TABLE digits (digit integer, pixels real[]);
\copy digits FROM 'models/data/digits.csv' CSV HEADER
-- Columns, an array, a tensor: the same rows, the same figures.
SELECT key, round(value::numeric, 6) AS value FROM jsonb_each(maas_evaluate('iris', 'SELECT * FROM iris', target => 'species'))
    WHERE jsonb_typeof(value) = 'number' ORDER BY key;
SELECT maas_evaluate('iris', 'SELECT * FROM iris', 'species')
    = maas_evaluate('iris', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, species FROM iris', 'species') AS same;
SELECT maas_evaluate('iris', 'SELECT * FROM iris', 'species') -> 'confusion_matrix' AS confusion,
    maas_evaluate('iris', 'SELECT * FROM iris', 'species') #>> '{per_class,1,class}' AS class;
-- Scores without a label; classes are numbers from 0.
SELECT e -> 'samples' AS samples, round((e ->> 'accuracy')::numeric, 3) AS accuracy, e -> 'scores' AS scores
    FROM maas_evaluate('digits', $$SELECT pixels AS image, digit FROM
        (SELECT maas_reshape(pixels::tensor, ARRAY[1,8,8]) AS pixels, digit FROM digits) d$$, 'digit') e;
-- Scores that are no probabilities.
SELECT maas_create('net', '{"input":[4],"layers":[{"dense":3}]}', seed => 1);
SELECT e -> 'scores' AS scores, e -> 'samples' AS samples, (e ->> 'log_loss')::float8 > 0 AS some_loss
    FROM maas_evaluate('net', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, length(species) % 3 AS y FROM iris', 'y') e;
SELECT maas_evaluate('net', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, 1.5 AS y FROM iris', 'y');
SELECT maas_evaluate('net', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, ''NaN''::real AS y FROM iris', 'y');
SELECT maas_evaluate('net', 'SELECT ARRAY[''NaN'', sepal_width, petal_length, petal_width] AS x, 1 AS y FROM iris', 'y');
SELECT maas_evaluate('net', 'SELECT ARRAY[''infinity'', sepal_width, petal_length, petal_width] AS x, ARRAY[1, 2, 3] AS y FROM iris', 'y');
SELECT maas_evaluate('net', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, 1 AS y, 0 AS w FROM iris', 'y', '{"weight_column":"w"}');
-- Tensors, arrays and times as numbers to compare with; truth values with a single score.
SELECT maas_evaluate('net', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, ARRAY[1, 2, sepal_width] AS y FROM iris', 'y')
    = maas_evaluate('net', 'SELECT ARRAY[sepal_length, sepal_width, petal_length, petal_width] AS x, ARRAY[1, 2, sepal_width]::tensor AS y FROM iris', 'y') AS same;
SELECT maas_create('net', '{"input":[4],"layers":[{"dense":1}]}', seed => 1);
SELECT round((maas_evaluate('net', 'SELECT ARRAY[0, 0, 0, 0] AS x, ''1970-01-02''::date AS y', 'y') ->> 'mae')::numeric) AS seconds;
SELECT maas_create('net', '{"input":[4],"layers":[{"dense":1,"activation":"sigmoid"}]}', seed => 1);
SELECT maas_evaluate('net', 'SELECT ARRAY[0, 0, 0, sepal_width] AS x, sepal_width > 3 AS y FROM iris', 'y') -> 'samples' AS samples;
SELECT maas_drop('net');
-- Weights: a row of weight 2 counts like two rows.
SELECT a -> 'confusion_matrix' = b -> 'confusion_matrix' AS same, abs((a ->> 'log_loss')::float8 - (b ->> 'log_loss')::float8) < 1e-9 AS near FROM
    maas_evaluate('iris', 'SELECT *, CASE WHEN species = ''virginica'' THEN 2 ELSE 1 END AS w FROM iris', 'species', '{"weight_column":"w"}') a,
    maas_evaluate('iris', 'SELECT * FROM iris UNION ALL SELECT * FROM iris WHERE species = ''virginica''', 'species') b;
-- What is wrong is said.
SELECT maas_evaluate('iris', 'SELECT * FROM iris WHERE false', 'species');
SELECT maas_evaluate('iris', 'SELECT * FROM iris', 'specis');
SELECT maas_evaluate('iris', 'SELECT species FROM iris', 'species');
SELECT maas_evaluate('iris', 'SELECT sepal_length, species FROM iris', 'species');
SELECT maas_evaluate('iris', 'SELECT sepal_length, sepal_width, petal_length, petal_width, ''rose'' AS species FROM iris', 'species');
SELECT maas_evaluate('iris', 'SELECT sepal_length, sepal_width, petal_length, petal_width, NULL::text AS species FROM iris', 'species');
SELECT maas_evaluate('iris', 'DELETE FROM iris RETURNING *', 'species');
SELECT maas_evaluate('iris', 'SELECT * FROM iris', 'species', '{"topk":3}');
SELECT maas_evaluate('iris', 'SELECT * FROM iris', 'species', '{"weight_column":"species"}');
SELECT maas_evaluate('iris', NULL, 'species');
SELECT maas_evaluate('none', 'SELECT * FROM iris', 'species');
SELECT maas_drop('iris'), maas_drop('wine'), maas_drop('digits'), maas_drop('patients');
