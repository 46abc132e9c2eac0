-- Models as skl2onnx wrote them, on the rows and with the answers that are kept with them (src/test/fixtures).
\set ECHO none
\set SHOW_CONTEXT never
CREATE TEMP TABLE part (model text, name text, bytes bytea);
\lo_import 'src/test/fixtures/table_forest/model.onnx'
INSERT INTO part VALUES ('table_forest', 'model', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/input_0.pb'
INSERT INTO part VALUES ('table_forest', 'age_group', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/input_1.pb'
INSERT INTO part VALUES ('table_forest', 'sex', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/input_2.pb'
INSERT INTO part VALUES ('table_forest', 'bmi', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/input_3.pb'
INSERT INTO part VALUES ('table_forest', 'pressure', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/input_4.pb'
INSERT INTO part VALUES ('table_forest', 'glucose', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/input_5.pb'
INSERT INTO part VALUES ('table_forest', 'high_ldl', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/output_0.pb'
INSERT INTO part VALUES ('table_forest', 'label', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/table_forest/test_data_set_0/output_1.pb'
INSERT INTO part VALUES ('table_forest', 'probabilities', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/tfidf_logistic/model.onnx'
INSERT INTO part VALUES ('tfidf_logistic', 'model', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/tfidf_logistic/test_data_set_0/input_0.pb'
INSERT INTO part VALUES ('tfidf_logistic', 'text', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/tfidf_logistic/test_data_set_0/output_0.pb'
INSERT INTO part VALUES ('tfidf_logistic', 'label', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/tfidf_logistic/test_data_set_0/output_1.pb'
INSERT INTO part VALUES ('tfidf_logistic', 'probabilities', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/logistic_zipmap/model.onnx'
INSERT INTO part VALUES ('logistic_zipmap', 'model', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/logistic_zipmap/test_data_set_0/input_0.pb'
INSERT INTO part VALUES ('logistic_zipmap', 'X', lo_get(:LASTOID));
\lo_import 'src/test/fixtures/logistic_zipmap/test_data_set_0/output_0.pb'
INSERT INTO part VALUES ('logistic_zipmap', 'label', lo_get(:LASTOID));
SELECT count(lo_unlink(oid)) > 0 AS unlinked FROM pg_largeobject_metadata;
CREATE FUNCTION pg_temp.part(model text, name text) RETURNS tensor LANGUAGE sql
    AS 'SELECT maas_tensor_from_onnx(bytes) FROM part WHERE part.model = $1 AND part.name = $2';
\set ECHO all
SELECT model, maas_load(model, bytes) FROM part WHERE name = 'model' ORDER BY 1;
SELECT name, jsonb_array_length(inputs) AS inputs, parameters, producer LIKE 'skl2onnx%' AS skl2onnx FROM maas.models ORDER BY 1;

-- A pipeline with an input a column: text, numbers, a boolean.
CREATE TEMP TABLE patients AS
    SELECT * FROM unnest(pg_temp.part('table_forest', 'age_group')::text[], pg_temp.part('table_forest', 'sex')::text[],
        pg_temp.part('table_forest', 'bmi')::real[], pg_temp.part('table_forest', 'pressure')::real[]::numeric[],
        pg_temp.part('table_forest', 'glucose')::bigint[]::int[], pg_temp.part('table_forest', 'high_ldl')::boolean[])
        AS t (age_group, sex, bmi, pressure, glucose, high_ldl);
CREATE TEMP TABLE answers AS
    SELECT row_number() OVER () AS i, * FROM unnest(pg_temp.part('table_forest', 'label')::text[],
        (SELECT array_agg(x ORDER BY i) FROM unnest(pg_temp.part('table_forest', 'probabilities')::real[]) WITH ORDINALITY u (x, i)
            WHERE i % 2 = 0)) AS a (label, stable);
SELECT p.*, maas_classify('table_forest', p) AS label, round(maas_score('table_forest', p)::numeric, 5) AS stable
    FROM patients p LIMIT 4;
SELECT count(*), bool_and(maas_classify('table_forest', r) = label) AS labels, max(abs(maas_score('table_forest', r) - stable)) < 1e-6 AS scores
    FROM (SELECT row_number() OVER () AS i, p AS r FROM patients p) p JOIN answers USING (i);
SELECT count(*), max(abs((prediction::real[])[2] - stable)) < 1e-6 AS scores
    FROM maas_predict_query('table_forest', 'SELECT row_number() OVER () AS i, p.* FROM patients p', 'i')
        JOIN answers ON key::int = i;
SELECT maas_predict('table_forest', p) FROM (SELECT age_group, sex, bmi, pressure, glucose FROM patients) p LIMIT 1;

-- Text in, one column.
SELECT count(*), bool_and(maas_classify('tfidf_logistic', sentence) = label) AS labels
    FROM unnest(pg_temp.part('tfidf_logistic', 'text')::text[], pg_temp.part('tfidf_logistic', 'label')::text[]) AS t (sentence, label);
SELECT maas_predict('tfidf_logistic', pg_temp.part('tfidf_logistic', 'text')::text[], output => 'label')
    = pg_temp.part('tfidf_logistic', 'label') AS batch;

-- Four numbers, ZipMap at the end.
SELECT maas_predict('logistic_zipmap', pg_temp.part('logistic_zipmap', 'X'), output => 'output_label')
    = pg_temp.part('logistic_zipmap', 'label') AS labels;
SELECT maas_classify('logistic_zipmap', ROW(4.9, 3.0, 1.4, 0.2)), maas_predict('logistic_zipmap', '{"X": [[4.9, 3.0, 1.4, 0.2]]}'::jsonb)
    -> 'output_label' AS label;
SELECT count(maas_drop(name)) FROM maas.models;
