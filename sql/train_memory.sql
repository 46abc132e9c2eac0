-- A training that may take little memory computes parts of the network twice, and gives the same model.
SET client_min_messages = warning;
CREATE TABLE points AS SELECT ARRAY(SELECT sin(i * k)::real FROM generate_series(1, 20) k) AS x, i % 3 AS class
    FROM generate_series(1, 200) i;
CREATE FUNCTION train_deep(model text) RETURNS jsonb LANGUAGE sql
BEGIN ATOMIC
    SELECT maas_train(model, 'SELECT x, class FROM points', 'class',
        architecture => jsonb_build_object('layers', (SELECT jsonb_agg(l) FROM
            (SELECT layer AS l FROM generate_series(1, 24), jsonb_array_elements(
                '[{"dense": 64, "activation": "gelu"}, "layer_norm", {"dropout": 0.1}]') AS layer
             UNION ALL SELECT '{"dense": "output"}') AS layers)),
        options => '{"seed": 5, "epochs": 3, "batch_size": 100}');
END;
\set VERBOSITY terse
SET client_min_messages = notice;
SET maintenance_work_mem = '64MB'; -- all rows fit, so that they are shuffled alike
SELECT train_deep('plenty') -> 'rows' AS rows;
SET maintenance_work_mem = '1MB';
SELECT train_deep('little') -> 'rows' AS rows;
SELECT count(*), count(DISTINCT sha256) AS models FROM maas.versions WHERE name IN ('plenty', 'little');
-- A network that takes more whatever is computed twice.
SELECT maas_train('wide', 'SELECT x, class FROM points', 'class', architecture => '{"layers": [{"dense": 4096}, {"dense": "output"}]}',
    options => '{"seed": 5, "epochs": 1, "batch_size": 180}') -> 'rows' AS rows;
RESET maintenance_work_mem;
\set VERBOSITY default
SELECT count(maas_drop(name)::text) FROM maas.models;
DROP FUNCTION train_deep(text);
DROP TABLE points;
