-- Every input and output by name: maas_predict(model, jsonb), maas_run; many at once.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
SELECT maas_load('columns', :'columns'), maas_load('linear', :'linear'), maas_load('same', :'same'),
    maas_load('same_text', :'same_text'), maas_load('same_bool', :'same_bool'), maas_load('strings', :'strings'),
    maas_load('zipmap', :'zipmap'), maas_load('sequence', :'sequence'), maas_load('maybe', :'maybe'),
    maas_load('scalar', :'scalar'), maas_load('sum', :'sum'), maas_load('total', :'total'), maas_load('one_only', :'one_only'),
    maas_load('same_int', :'same_int');

-- jsonb: numbers, booleans, strings, sequences, maps, optionals.
SELECT maas_predict('columns', '{"age": [[30]], "income": [[1.5]], "member": [[true]], "city_code": [[47]]}'::jsonb);
SELECT maas_predict('columns', '{"age": [[30]], "income": [[1.5]], "member": [[true]], "city_code": [[47]], "scale": [2]}'::jsonb);
SELECT maas_predict('same_text', '{"x": ["a", "\u00e9\"b"]}'::jsonb), maas_predict('same_bool', '{"x": [true, false]}'::jsonb);
SELECT maas_predict('scalar', '{"x": 3}'::jsonb), maas_predict('same_int', '{"x": [[9007199254740993, 1]]}'::jsonb);
SELECT maas_predict('strings', '{"x": [[1, 2]]}'::jsonb), maas_predict('zipmap', '{"x": [[1, 2], [3, 1]]}'::jsonb);
SELECT maas_predict('sequence', '{"xs": [[1, 2], [3]]}'::jsonb);
SELECT maas_predict('maybe', '{"o": [1, 2]}'::jsonb), maas_predict('maybe', '{"o": null}'::jsonb);
SELECT maas_classify('strings', '{"x": [[3, 1]]}'::jsonb), round(maas_score('strings', '{"x": [[3, 1]]}'::jsonb)::numeric, 6);
-- NaN and infinities survive.
SELECT maas_predict('same', '{"x": [["NaN", "-Infinity"]]}'::jsonb);
-- What does not fit.
SELECT maas_predict('columns', '{"age": [[30]], "income": [[1.5]]}'::jsonb);
SELECT maas_predict('same', '{"x": [[1, 2]], "y": 1}'::jsonb);
SELECT maas_predict('same', '{}'::jsonb);
SELECT maas_predict('same', '[[1, 2]]'::jsonb);
SELECT maas_predict('same', '{"x": [[1, 2], [3]]}'::jsonb);
SELECT maas_predict('same', '{"x": [[1, true]]}'::jsonb);
SELECT maas_predict('same', '{"x": [[1, null]]}'::jsonb);
SELECT maas_predict('same', '{"x": [[1, "2"]]}'::jsonb);
SELECT maas_predict('same', '{"x": [1, 2]}'::jsonb);
SELECT maas_predict('same', '{"x": [[1, 2, 3]]}'::jsonb);
SELECT maas_predict('same_int', '{"x": [[1, 1.9]]}'::jsonb);
SELECT maas_predict('same_bool', '{"x": [1]}'::jsonb);
SELECT maas_predict('same_text', '{"x": [1]}'::jsonb);
SELECT maas_predict('same', '{"x": [[1, 1e400]]}'::jsonb);
SELECT maas_predict('same', NULL::jsonb) IS NULL;

-- maas_run
SELECT * FROM maas_run('sum', ARRAY['x'], ARRAY['[[1,2,3]]'::tensor]);
SELECT * FROM maas_run('zipmap', ARRAY['x'], ARRAY['[[1,2],[3,1]]'::tensor]);
SELECT * FROM maas_run('sequence', ARRAY['xs[0]', 'xs[1]'], ARRAY['[1,2]', '[3]']::tensor[]);
SELECT * FROM maas_run('maybe', ARRAY['o'], ARRAY[NULL]::tensor[]);
SELECT * FROM maas_run('maybe', ARRAY['o'], ARRAY['[1,2]']::tensor[]);
SELECT * FROM maas_run('columns', ARRAY['city_code', 'age', 'income', 'member'],
    ARRAY['[[47]]', '[[30]]', '[[1.5]]', 'bool:[[true]]']::tensor[]);
SELECT * FROM maas_run('same', ARRAY['x'], ARRAY['[1,2]'::tensor]);
SELECT * FROM maas_run('same', ARRAY['z'], ARRAY['[[1,2]]'::tensor]);
SELECT * FROM maas_run('same', ARRAY['x', 'z'], ARRAY['[[1,2]]', '[1]']::tensor[]);
SELECT * FROM maas_run('same', ARRAY['x', 'x'], ARRAY['[[1,2]]', '[1]']::tensor[]);
SELECT * FROM maas_run('same', ARRAY['x'], ARRAY['[[1,2]]', '[1]']::tensor[]);
SELECT * FROM maas_run('same', ARRAY[NULL], ARRAY['[[1,2]]']::tensor[]);
SELECT * FROM maas_run('same', ARRAY['x'], ARRAY[NULL]::tensor[]);
SELECT * FROM maas_run('sequence', ARRAY['xs'], ARRAY['[1]']::tensor[]);
SELECT * FROM maas_run('same', '{}', '{}');
SELECT count(*) FROM maas_run(NULL, ARRAY['x'], ARRAY['[[1,2]]'::tensor]);
SELECT t.n, r.name, r.value FROM (VALUES (1), (2)) t (n), maas_run('sum', ARRAY['x'], ARRAY[maas_tensor(ARRAY[[t.n, 2, 3]])]) r;

-- Many at once: the same answers as one by one.
SELECT maas_predict('linear', ARRAY['[1,2,3]', NULL, '[4,5,6]', '[[1,2,3],[4,5,6]]', '[7,8,9]']::tensor[]);
SELECT maas_predict('linear', '{}'::tensor[]), maas_predict('linear', ARRAY[NULL]::tensor[]);
SELECT maas_predict('total', ARRAY['[1,2,3]', '[4,5,6]']::tensor[]), maas_predict('one_only', ARRAY['[1,2]', '[4,5]']::tensor[]);
-- A model whose rows influence each other sees them one by one.
SELECT maas_load('centred', :'centred');
SELECT maas_predict('centred', ARRAY['[1,2,3]', '[4,5,6]']::tensor[]);
SELECT * FROM maas_predict_query('centred', 'SELECT i, i, i FROM generate_series(1, 2) i');
SELECT maas_predict('linear', ARRAY['[1,2,3]', '[4,5]']::tensor[]);
SELECT many = one AS equal FROM (SELECT maas_predict('linear', array_agg(x ORDER BY i)) AS many,
    array_agg(maas_predict('linear', x) ORDER BY i) AS one
    FROM (SELECT i, maas_tensor(ARRAY[i, i * 2, 0.5]::real[]) AS x FROM generate_series(1, 700) i) g) a;

-- maas_predict_query
SELECT * FROM maas_predict_query('linear', 'SELECT i, i * 2, 0.5 FROM generate_series(1, 3) i');
SELECT * FROM maas_predict_query('linear', 'SELECT i AS id, ARRAY[i, i, i] AS x FROM generate_series(1, 3) i', 'id');
SELECT * FROM maas_predict_query('sum', 'SELECT 1 AS a, ''k'' AS k, 2 AS b, 3 AS c', key_column => 'k', output => 'squares');
SELECT count(*), count(DISTINCT key), bool_and(prediction = maas_predict('linear', ARRAY[key::int, 1, 1])) AS equal
    FROM maas_predict_query('linear', 'SELECT i, i, 1, 1 FROM generate_series(1, 1000) i', 'i');
SELECT count(*), count(DISTINCT key), bool_and(prediction = maas_predict('linear', ARRAY[key::int, 1, 1])) AS equal
    FROM maas_predict_query('linear', 'SELECT i AS id, i AS a, 1 AS b, 1 AS c FROM generate_series(1, 1000) i', 'id');
SELECT * FROM maas_predict_query('linear', 'SELECT 1, 2 FROM generate_series(1, 2)');
SELECT * FROM maas_predict_query('linear', 'SELECT 1, 2, 3', 'id');
SELECT * FROM maas_predict_query('linear', 'SELECT 1, 2, 3; SELECT 4, 5, 6');
SELECT * FROM maas_predict_query('linear', 'DROP TABLE pg_class');
SELECT * FROM maas_predict_query('linear', 'SELECT 1, 2, 3 WHERE false');
SELECT * FROM maas_predict_query('linear', NULL);
SELECT * FROM maas_predict_query('linear', 'nonsense');
-- A query that predicts itself, with another model.
SELECT * FROM maas_predict_query('sum', 'SELECT maas_score(''total'', ARRAY[i, 1, 1]) AS a, i AS b, 0 AS c FROM generate_series(1, 3) i');

SELECT count(maas_drop(name)) FROM maas.models;
