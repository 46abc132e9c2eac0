-- What cannot be learned from is an error that says so before any step is taken.
\set SHOW_CONTEXT never
CREATE TABLE flowers (length real, width real, colour text, seen timestamptz, fresh boolean, kind text);
INSERT INTO flowers SELECT 1 + i % 7, 2 + i % 5, (ARRAY['red', 'blue', 'white'])[1 + i % 3], '2026-01-01'::timestamptz + i * interval '7 h',
    i % 4 = 0, (ARRAY['rose', 'iris', 'lily'])[1 + i % 3] FROM generate_series(1, 60) i;
-- The arguments.
SELECT maas_train(NULL, 'SELECT * FROM flowers', target => 'kind');
SELECT maas_train('f', NULL, target => 'kind');
SELECT maas_train('f', 'SELECT * FROM flowers', target => NULL);
SELECT maas_train('f@1', 'SELECT * FROM flowers', target => 'kind');
-- The query.
SELECT maas_train('f', 'SELECT * FROM flowers WHERE false', target => 'kind');
SELECT maas_train('f', 'SELECT * FROM flowrs', target => 'kind');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'knd');
SELECT maas_train('f', 'SELECT kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT length, length, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT 1; SELECT 2', target => 'kind');
SELECT maas_train('f', 'SET work_mem = 64', target => 'kind');
SELECT maas_train('f', '', target => 'kind');
-- A query that writes.
SELECT maas_train('f', 'INSERT INTO flowers SELECT * FROM flowers RETURNING *', target => 'kind');
SELECT maas_train('f', 'WITH gone AS (DELETE FROM flowers RETURNING *) SELECT * FROM gone', target => 'kind');
SELECT maas_train('f', 'SELECT length, kind FROM flowers FOR UPDATE', target => 'kind');
CREATE FUNCTION writes() RETURNS integer LANGUAGE plpgsql AS $$BEGIN DELETE FROM flowers; RETURN 1; END$$;
SELECT maas_train('f', 'SELECT length, writes(), kind FROM flowers', target => 'kind');
SELECT count(*) FROM flowers;
DELETE FROM flowers WHERE length > 100; -- the transaction can write as before
BEGIN READ ONLY;
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', background => true);
ROLLBACK;
-- A query that returns other rows when it is run again.
CREATE FUNCTION called() RETURNS integer LANGUAGE sql VOLATILE
    AS $$SELECT set_config('maas_test.called', (current_setting('maas_test.called')::integer + 1)::text, false)::integer$$;
SET maas_test.called = 0;
SELECT maas_train('f', 'SELECT length, kind FROM flowers WHERE called() <= 100', target => 'kind');
-- The target.
SELECT maas_train('f', 'SELECT length, nullif(kind, ''iris'') AS kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT length, kind FROM flowers WHERE kind = ''rose''', target => 'kind');
SELECT maas_train('f', 'SELECT length, width * 0 + 3 AS y FROM flowers', target => 'y');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"task":"regress"}');
SELECT maas_train('f', 'SELECT width, length + 0.5 AS y FROM flowers', target => 'y', options => '{"task":"classify"}');
SELECT maas_train('f', 'SELECT width, length / 0.0::real AS y FROM flowers', target => 'y');
SELECT maas_train('f', 'SELECT width, ''infinity''::real AS y FROM flowers', target => 'y');
SELECT maas_train('f', 'SELECT width, ''NaN''::real AS y FROM flowers', target => 'y');
SELECT maas_train('f', 'SELECT width, ARRAY[1, 2] AS y FROM flowers', target => 'y');
SELECT maas_train('f', 'SELECT width, fresh OR true AS y FROM flowers', target => 'y', options => '{"task":"regress"}');
SELECT maas_train('f', 'SELECT width, 1e200::float8 * length AS y FROM flowers', target => 'y');
-- The loss.
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"loss":"mse"}');
SELECT maas_train('f', 'SELECT width, length + 0.5 AS y FROM flowers', target => 'y', options => '{"loss":"hinge"}');
SELECT maas_train('f', 'SELECT width, length + 0.5 AS y FROM flowers', target => 'y', options => '{"loss":"cross_entropy"}');
SELECT maas_train('f', 'SELECT width, length + 0.5 AS y FROM flowers', target => 'y', options => '{"loss":"binary_cross_entropy"}');
SELECT maas_train('f', 'SELECT width, length - 2.5 AS y FROM flowers', target => 'y', options => '{"loss":"poisson"}');
-- Columns.
SELECT maas_train('f', 'SELECT length, 5 AS five, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT length, NULL::real AS nothing, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT length, ''a''::text AS a, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT ARRAY[1,2] AS same, length, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT ARRAY[kind] AS names, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT ''[1]''::jsonb AS j, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT ''string:["a"]''::tensor AS t, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT CASE WHEN fresh THEN ARRAY[1,2] ELSE ARRAY[length] END AS a, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT ARRAY[length, nullif(width, 3)] AS a, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT CASE WHEN width > 3 THEN ARRAY[length] END AS a, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT nullif(length, 3) AS length, kind FROM flowers', target => 'kind', options => '{"missing":"error"}');
SELECT maas_train('f', 'SELECT NULL::real AS a, length, kind FROM flowers', target => 'kind', options => '{"missing":"drop"}');
SELECT maas_train('f', 'SELECT nullif(length, 3) + ''NaN'' AS length, kind FROM flowers', target => 'kind', options => '{"missing":"error"}');
SELECT maas_train('f', 'SELECT 1e200::float8 * length AS length, kind FROM flowers', target => 'kind');
-- Names that mean something else.
SELECT maas_train('f', 'SELECT length, ARRAY[length, width] AS features, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT length AS "prepared/features", width, kind FROM flowers', target => 'kind');
SELECT maas_train('f', 'SELECT length AS "dense_1.weight", width, kind FROM flowers', target => 'kind', options => '{"epochs": 100000000}');
-- The architecture.
SELECT maas_train('f', 'SELECT * FROM flowers', target => 'kind', architecture => '{"layers":[{"lstm":4},{"dense":"output"}]}');
SELECT maas_train('f', 'SELECT length, width, kind FROM flowers', target => 'kind', architecture => '{"layers":[{"lstm":4},{"dense":"output"}]}');
SELECT maas_train('f', 'SELECT length, width, kind FROM flowers', target => 'kind', architecture => '{"layers":[{"dense":4}]}');
SELECT maas_train('f', 'SELECT length, width, kind FROM flowers', target => 'kind', architecture => '{"layers":[{"dens":4}]}');
SELECT maas_train('f', 'SELECT ARRAY[length, width] AS a, kind FROM flowers', target => 'kind',
    architecture => '{"layers":[{"conv2d":[4,3]},{"dense":"output"}]}');
SELECT maas_train('f', 'SELECT ARRAY[length, width]::integer[] AS a, kind FROM flowers', target => 'kind',
    architecture => '{"layers":[{"embedding":[6,2]},"flatten",{"dense":"output"}]}');
SELECT maas_train('f', 'SELECT ARRAY[length - 3, width]::integer[] AS a, kind FROM flowers', target => 'kind',
    architecture => '{"layers":[{"embedding":[8,2]},"flatten",{"dense":"output"}]}');
-- Options.
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"epoch":5}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"optimizer":"adm"}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"batch_size":0}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"missing":"dropp"}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '[1]');
SELECT maas_train('f', 'SELECT length, kind, colour FROM flowers', target => 'kind', options => '{"weight_column":"colour"}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"validation_column":"wight"}');
SELECT maas_train('f', 'SELECT length, kind, -1 AS w FROM flowers', target => 'kind', options => '{"weight_column":"w"}');
SELECT maas_train('f', 'SELECT length, kind, 1e300 AS w FROM flowers', target => 'kind', options => '{"weight_column":"w"}');
SELECT maas_train('f', 'SELECT length, kind, 0 AS w FROM flowers', target => 'kind', options => '{"weight_column":"w"}');
SELECT maas_train('f', 'SELECT length, width FROM flowers', target => 'width', options => '{"weight_column":"width"}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"freeze":"dense_1.wieght"}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"freeze":["dense_1.*","layer9"]}');
SELECT maas_train('f', 'SELECT length, kind, true AS apart FROM flowers', target => 'kind', options => '{"validation_column":"apart"}');
SELECT maas_train('f', 'SELECT width, length + 0.5 AS y FROM flowers', target => 'y', options => '{"split":"stratified"}');
SELECT maas_train('f', 'SELECT width, length + 0.5 AS y FROM flowers', target => 'y', options => '{"class_weights":"balanced"}');
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind', options => '{"augment_flip":true}');
-- Rights: as the caller, row-level security holds, and a name of another role is refused at once.
CREATE ROLE maas_train_other;
GRANT SELECT ON flowers TO maas_train_other;
ALTER TABLE flowers ENABLE ROW LEVEL SECURITY;
CREATE POLICY roses ON flowers TO maas_train_other USING (kind = 'rose');
SELECT maas_create('mine', '{"input":[2],"layers":[{"dense":1}]}', seed => 1);
SET ROLE maas_train_other;
SELECT maas_train('f', 'SELECT length, kind FROM flowers', target => 'kind');
SELECT maas_train('mine', 'SELECT length, kind FROM flowers', target => 'kind');
SELECT count(*) FROM maas.training_runs;
SELECT count(*) FROM maas.training_progress;
RESET ROLE;
SELECT count(*) FROM maas.models WHERE name = 'f';
SELECT maas_drop('mine');
DROP TABLE flowers;
DROP FUNCTION writes();
DROP FUNCTION called();
DROP ROLE maas_train_other;
