-- maas_predict, maas_classify and maas_score on tensors, arrays and text: the rank rule, conversions, outputs.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
SELECT maas_load('linear', :'linear'), maas_load('sum', :'sum'), maas_load('total', :'total'), maas_load('same', :'same'),
    maas_load('same_double', :'same_double'), maas_load('same_int', :'same_int'), maas_load('same_uint8', :'same_uint8'),
    maas_load('same_bool', :'same_bool'), maas_load('same_text', :'same_text'),
    maas_load('same_text_column', :'same_text_column'), maas_load('one_only', :'one_only'),
    maas_load('no_batch', :'no_batch'), maas_load('square', :'square'), maas_load('scalar', :'scalar'),
    maas_load('columns', :'columns'), maas_load('strings', :'strings'), maas_load('zipmap', :'zipmap'),
    maas_load('sequence', :'sequence');
SELECT maas_load('three', :'three', labels => ARRAY['a', 'b', 'c']), maas_load('three', :'three', deploy => false),
    maas_load('missing', :'same', null_as_nan => true);

-- The rank rule: a batch, one example that loses the dimension again, anything else is an error.
SELECT maas_predict('linear', '[[1,2,3],[4,5,6]]'), maas_predict('linear', '[1,2,3]'), maas_predict('linear', '[[1,2,3]]');
SELECT maas_predict('linear', 'float(0,3):[]');
SELECT maas_predict('linear', '[1,2]');
SELECT maas_predict('linear', '[[1,2],[3,4]]');
SELECT maas_predict('linear', '7');
SELECT maas_predict('linear', '[[[1,2,3]]]');
SELECT maas_predict('one_only', '[1,2]'), maas_predict('one_only', '[[1,2]]');
SELECT maas_predict('one_only', '[[1,2],[3,4]]');
SELECT maas_predict('no_batch', '[1,2]');
SELECT maas_predict('no_batch', '1');
SELECT maas_predict('scalar', '3.5');
SELECT maas_predict('scalar', '[3.5]');
SELECT maas_predict('same_double', '3'), maas_predict('same_double', '[3,4]');
-- A free dimension that occurs twice.
SELECT maas_predict('square', '[[1,2],[3,4]]');
SELECT maas_predict('square', '[[1,2,3],[3,4,5]]');
-- A result of rank 0, from a batch and from one example.
SELECT maas_predict('total', '[[1,2,3],[4,5,6]]'), maas_predict('total', '[1,2,3]');

-- Another output.
SELECT maas_predict('sum', '[1,2,3]'), maas_predict('sum', '[1,2,3]', output => 'squares'),
    maas_predict('sum', ARRAY[1,2,3], output => 's');
SELECT maas_predict('sum', '[1,2,3]', output => 'nothing');
SELECT maas_predict('zipmap', '[1,2]'), maas_predict('zipmap', '[1,2]', output => 'label');
SELECT maas_predict('zipmap', '[1,2]', output => 'output_probability');
SELECT maas_predict('strings', '[[1,2],[2,1]]'), maas_predict('strings', '[[1,2],[2,1]]', output => 'label');

-- Every kind of argument: typed tensors, arrays, text.
SELECT maas_predict('linear', '[1,2,3]'::tensor), maas_predict('linear', 'int64:[1,2,3]'::tensor),
    maas_predict('linear', 'double:[1,2,3]');
SELECT maas_predict('linear', ARRAY[1,2,3]), maas_predict('linear', ARRAY[1,2,3]::real[]),
    maas_predict('linear', ARRAY[1,2,3]::float8[]), maas_predict('linear', ARRAY[1,2,3]::smallint[]),
    maas_predict('linear', ARRAY[1,2,3]::bigint[]), maas_predict('linear', ARRAY[1,2,3.0]);
SELECT maas_predict('linear', ARRAY[[1,2,3],[4,5,6]]);
SELECT f, maas_predict('linear', f) FROM (VALUES (ARRAY[1,2,3]), (NULL), (ARRAY[4,5,6])) AS v (f);
PREPARE typed AS SELECT maas_predict($1, $2::real[]);
EXECUTE typed('linear', '{1,2,3}');
DEALLOCATE typed;
SELECT maas_predict('same_bool', ARRAY[true, false]), maas_predict('same_text', ARRAY['a', 'b']),
    maas_predict('same_text', 'plain text'), maas_predict('same_text_column', 'plain text'),
    maas_predict('same_text', ARRAY['a', 'b']::varchar[]);
SELECT maas_predict('same_text_column', '[1,2]');

-- Conversions never guess.
SELECT maas_predict('same_int', ARRAY[1.0, 2.0]), maas_predict('same_int', '[1,2]'),
    maas_predict('same_int', ARRAY[9007199254740993, -9007199254740993]::numeric[]),
    maas_predict('same_int', ARRAY[9007199254740993, -9007199254740993]);
SELECT maas_predict('same_int', ARRAY[1.9, 2.0]);
SELECT maas_predict('same_int', ARRAY[2.0, 1.9]::float8[]);
SELECT maas_predict('same_int', '[2,1.9]');
SELECT maas_predict('same_int', '[2,NaN]');
SELECT maas_predict('same_int', ARRAY[1e30, 2]);
SELECT maas_predict('same_uint8', ARRAY[1,300]);
SELECT maas_predict('same_uint8', ARRAY[1,-1]);
SELECT maas_predict('same', ARRAY[true, false]);
SELECT maas_predict('same', ARRAY['1', '2']);
SELECT maas_predict('same_bool', ARRAY[1, 0]);
SELECT maas_predict('same_text', ARRAY[1, 0]);
SELECT maas_predict('same', ARRAY[1e300, 1]::float8[]);
SELECT maas_predict('same', '{}'::real[]);
SELECT maas_predict('same', '[[1,2],[3]]');
SELECT maas_predict('same', ARRAY[now(), now()]);
SELECT maas_predict('columns', '[1,2]');
SELECT maas_predict('sequence', '[1,2]');
-- NaN and infinities survive.
SELECT maas_predict('same', '[NaN,-Infinity]'), maas_predict('same', ARRAY['NaN', 'Infinity']::real[]),
    maas_predict('same', ARRAY['NaN', 'Infinity']::numeric[]);

-- NULL in gives NULL out; a NULL inside is named, or NaN where the model was loaded so.
SELECT maas_predict(NULL, '[1,2]') IS NULL AS model, maas_predict('same', NULL::tensor) IS NULL AS input,
    maas_predict('same', '[1,2]', output => NULL) IS NULL AS output, maas_classify('strings', NULL::real[]) IS NULL AS label,
    maas_score('strings', NULL::tensor) IS NULL AS score;
SELECT maas_predict('same', ARRAY[[1,2],[3,NULL]]);
SELECT maas_predict('missing', ARRAY[[1,2],[3,NULL]]), maas_predict('missing', ARRAY[NULL, 1.5]);
SELECT maas_predict('same_int', ARRAY[1, NULL]);

-- Labels and scores.
SELECT maas_classify('strings', '[3,1]'), maas_classify('strings', ARRAY[1,3]), maas_classify('zipmap', '[3,1]'),
    maas_classify('strings', '[[3,1]]');
SELECT maas_classify('strings', '[[3,1],[1,3]]');
SELECT maas_classify('three@1', '[1,3,2]'), maas_classify('three@1', '[1,NaN,2]');
SELECT maas_classify('three@2', '[1,3,2]');
SELECT maas_load('few', :'three', labels => ARRAY['a', 'b']);
SELECT maas_classify('few', '[1,3,2]');
SELECT maas_load('bad', :'three', labels => ARRAY['a', NULL]);
SELECT maas_load('bad', :'three', labels => ARRAY[['a'], ['b']]);
SELECT maas_score('sum', '[1,2,3]'), maas_score('total', '[1,2,3]'), round(maas_score('strings', '[3,1]')::numeric, 6) AS yes,
    round(maas_score('zipmap', '[3,1]')::numeric, 6) AS "20";
SELECT maas_score('three', '[1,2,3]');
SELECT maas_score('linear', '[1,2,3]');
SELECT maas_score('same_text', 'a');
SELECT maas_score('sum', '[[1,2,3],[4,5,6]]');

-- No such thing.
SELECT maas_predict('nothing', '[1,2]');
SELECT maas_predict('linear@7', '[1,2]');
SELECT maas_predict('linear@99999999999999999999', '[1,2]');
SELECT maas_predict('linear@canary', '[1,2]');
SELECT maas_predict('linear@', '[1,2]');
SELECT maas_predict('', '[1,2]');

SELECT count(maas_drop(name)) FROM maas.models;
