-- Texts: words are learned from the rows, the network reads them by number, padding does not count; predicting takes the
-- text as it is.
\set SHOW_CONTEXT never
SET client_min_messages = warning; -- a slow machine tells how far it is
CREATE TABLE notes AS SELECT i, i % 2 = 0 AS sport,
    CASE i % 3 WHEN 0 THEN upper(t) WHEN 1 THEN t ELSE initcap(t) END || (ARRAY['!', '.', ' ...', '', ' -- '])[1 + i % 5] AS body
    FROM generate_series(1, 600) i, LATERAL (SELECT concat_ws(' ', (ARRAY['the', 'a', 'every'])[1 + i % 3], (ARRAY['old,', 'new', '"great"', '(big)'])[1 + i / 3 % 4],
        CASE WHEN i % 2 = 0 THEN (ARRAY['goal', 'team', 'player', 'match', 'coach'])[1 + i / 2 % 5] ELSE (ARRAY['rain', 'storm', 'snow', 'wind', 'cloud'])[1 + i / 2 % 5] END,
        (ARRAY['was here', 'is near; very near', 'came', 'will be there today'])[1 + i / 7 % 4])) t(t);

-- A transformer: what comes out of it, and what the model takes.
SELECT r ->> 'task' AS task, r -> 'rows' AS rows, (r #>> '{metrics,accuracy}')::float8 > 0.95 AS good FROM maas_train('notes', 'SELECT body, sport FROM notes', 'sport',
    architecture => '{"layers":[{"embedding":[100,16]},"positional_embedding",{"transformer_encoder":[16,2],"dropout":0.1},"global_average_pooling1d",{"dense":"output"}]}',
    options => '{"seed":1,"epochs":4}') r;
SELECT maas_describe('notes') -> 'inputs' AS inputs, maas_describe('notes') -> 'batching' AS batching;
SELECT (maas_evaluate('notes', 'SELECT body, sport FROM notes', 'sport') ->> 'accuracy')::float8 > 0.95 AS good;
SELECT maas_classify('notes', n) FROM (VALUES ('the coach was here'), ('SNOW!!! (very near)'), ('Every "storm", today')) n(body);
-- Letter case and punctuation at the ends of words do not matter; that inside of a word does.
SELECT count(DISTINCT maas_predict('notes', n)::text) FROM (VALUES ('the old coach'), ('The OLD, coach!'), ('"the" -- old (coach)'), (E' the\told\n\ncoach ')) n(body);
SELECT count(DISTINCT maas_predict('notes', n)::text) FROM (VALUES ('the old coach'), ('the old co-ach'), ('the old')) n(body);
-- Words that no row had are alike; no text, an empty one and nothing but punctuation, too.
SELECT count(DISTINCT maas_predict('notes', n)::text) FROM (VALUES ('qwerty uiop'), ('ÅSD fgh'), (U&'\043c\043e\0440\0435 \6d77')) n(body);
SELECT count(DISTINCT maas_predict('notes', n)::text), bool_and(maas_score('notes', n) BETWEEN 0 AND 1) AS finite FROM (VALUES (NULL), (''), ('   '), ('--- !!!')) n(body);
-- A text has as many words as the longest one that was learned; what comes later is not read.
SELECT count(DISTINCT maas_predict('notes', n)::text) FROM (VALUES (repeat('rain ', 9)), (repeat('rain ', 9) || 'goal goal goal'), (repeat('rain ', 2000))) n(body);
-- The same in batches, row by row, exported and loaded again.
SET maas.batching = off;
CREATE TEMPORARY TABLE alone AS SELECT i, maas_score('notes', n) FROM notes, LATERAL (SELECT body) n;
SET maas.batching = on;
SELECT max(abs(a.maas_score - maas_score('notes', n))) < 1e-6 AS same FROM notes JOIN alone a USING (i), LATERAL (SELECT body) n;
SELECT maas_load('copy', maas_export('notes'));
SELECT max(abs(maas_score('copy', n) - maas_score('notes', n))) < 1e-6 AS same FROM notes, LATERAL (SELECT body) n;
-- It goes on learning.
SELECT r -> 'version' AS version, (r #>> '{metrics,accuracy}')::float8 > 0.95 AS good FROM maas_fine_tune('notes', 'SELECT body, sport FROM notes', 'sport', options => '{"seed":2,"epochs":1}') r;

-- The words are those of the rows that are learned from, the most frequent ones first; the rest is one.
SELECT r -> 'rows' AS rows FROM maas_train('few', $$SELECT body, i > 4 AS apart, sport FROM (VALUES (1, 'b b b a', true), (2, 'b a c', false), (3, 'a d b', true), (4, 'd e', false), (5, 'z z z z z z', true)) t(i, body, sport)$$,
    'sport', architecture => '{"layers":[{"text_vectorization":{"max_tokens":5,"output_sequence_length":4}},{"embedding":[5,3]},"flatten",{"dense":"output"}]}',
    options => '{"seed":1,"epochs":1,"validation_column":"apart"}') r;
SELECT count(DISTINCT maas_predict('few', n)::text) FROM (VALUES ('b'), ('a'), ('d'), ('c')) n(body);
SELECT count(DISTINCT maas_predict('few', n)::text) FROM (VALUES ('c'), ('e'), ('z'), ('never')) n(body);

-- Recurrent networks stop where the text ends; other ways to cut; two texts beside numbers and categories, NULL in them.
SELECT (r #>> '{metrics,accuracy}')::float8 > 0.95 AS good FROM maas_train('lstm', 'SELECT body, sport FROM notes', 'sport',
    architecture => '{"layers":[{"text_vectorization":[200,30],"standardize":"lower"},{"embedding":[200,16]},{"lstm":16},{"dense":"output"}]}', options => '{"seed":1,"epochs":6}') r;
SELECT maas_predict('lstm', n)::text <> maas_predict('lstm', m)::text AS punctuation_counts FROM (SELECT 'the goal' AS body) n, (SELECT 'the goal,' AS body) m;
SELECT (r #>> '{metrics,accuracy}')::float8 > 0.95 AS good FROM maas_train('both',
    $$SELECT CASE WHEN i % 3 > 0 THEN body END AS a, CASE WHEN i % 3 = 0 THEN body END AS b, i % 7 AS n, CASE WHEN i % 5 > 0 THEN (ARRAY['x', 'y'])[1 + i % 4 / 2] END AS kind, sport FROM notes$$, 'sport',
    architecture => '{"layers":[{"text_vectorization":[100,9],"input":"a","name":"ta"},{"embedding":[100,16]},{"gru":12,"bidirectional":true,"name":"ga"},
        {"text_vectorization":[100,9],"input":"b","standardize":"strip_punctuation"},{"embedding":[100,16]},{"global_max_pooling1d":{},"name":"gb"},
        {"concat":["ga","gb","features"]},{"dense":"output"}]}', options => '{"seed":1,"epochs":15}') r;
SELECT jsonb_path_query_array(maas_describe('both'), '$.inputs[*].name') AS inputs;
SELECT maas_score('both', x) BETWEEN 0 AND 1 AS fine FROM (SELECT NULL::text AS a, NULL::text AS b, 3 AS n, NULL::text AS kind) x;
-- Without an architecture, text whose values have several words and seldom occur twice is read word by word.
SELECT r #> '{architecture,layers,0}' AS first, (r #>> '{metrics,accuracy}')::float8 > 0.95 AS good
    FROM maas_train('chosen', $$SELECT body || ' ' || i AS body, sport FROM notes$$, 'sport', options => '{"seed":1,"epochs":20}') r;
SELECT r #> '{architecture,layers}' AS layers FROM maas_train('chosen', $$SELECT body || ' ' || i AS body, i % 2 AS n, (ARRAY['a few words that', 'come again and again'])[1 + i % 2] AS kind, sport FROM notes$$,
    'sport', options => '{"seed":1,"epochs":1,"split":"stratified","deduplicate":true}') r;
SELECT maas_describe('chosen') -> 'inputs' AS inputs;
-- Rows that do not fit into memory; the same seed gives the same model.
SET maintenance_work_mem = '1MB';
SELECT r -> 'rows' AS rows FROM maas_train('large', 'SELECT body, sport FROM notes, generate_series(1, 20)', 'sport',
    architecture => '{"layers":[{"text_vectorization":[100,64]},{"embedding":[100,2]},"global_average_pooling1d",{"dense":"output"}]}', options => '{"seed":1,"epochs":2}') r;
SELECT r -> 'rows' AS rows FROM maas_train('large', 'SELECT body, sport FROM notes, generate_series(1, 20)', 'sport',
    architecture => '{"layers":[{"text_vectorization":[100,64]},{"embedding":[100,2]},"global_average_pooling1d",{"dense":"output"}]}', options => '{"seed":1,"epochs":2}') r;
SELECT count(DISTINCT sha256) FROM maas.versions WHERE name = 'large';
RESET maintenance_work_mem;

-- What cannot be.
\set VERBOSITY terse
SELECT maas_train('bad', 'SELECT i, sport FROM notes', 'sport', architecture => '{"layers":[{"text_vectorization":[100,9]},{"embedding":[100,8]},"flatten",{"dense":"output"}]}');
SELECT maas_train('bad', 'SELECT body, sport FROM notes', 'sport', architecture => '{"layers":[{"text_vectorization":[100,9]},{"embedding":[10,8]},"flatten",{"dense":"output"}]}');
SELECT maas_train('bad', 'SELECT body, sport FROM notes', 'sport', architecture => '{"layers":[{"text_vectorization":[2,9]},{"embedding":[10,8]},"flatten",{"dense":"output"}]}');
SELECT maas_train('bad', 'SELECT body, sport FROM notes', 'sport', architecture => '{"layers":[{"text_vectorization":[100,9],"standardize":"lowr"},{"embedding":[100,8]},"flatten",{"dense":"output"}]}');
SELECT maas_train('bad', 'SELECT body, sport FROM notes', 'sport', architecture => '{"layers":[{"text_vectorization":[100,9],"max_token":3},{"embedding":[100,8]},"flatten",{"dense":"output"}]}');
SELECT maas_train('bad', $$SELECT repeat('!', i) AS body, sport FROM notes$$, 'sport', architecture => '{"layers":[{"embedding":[100,8]},"global_average_pooling1d",{"dense":"output"}]}');
SELECT maas_train('bad', $$SELECT 'same words' AS body, sport FROM notes$$, 'sport', architecture => '{"layers":[{"embedding":[100,8]},"global_average_pooling1d",{"dense":"output"}]}');
SELECT maas_create('bad', '{"input":[9],"layers":[{"text_vectorization":[100,9]},{"embedding":[100,8]},"flatten",{"dense":2}]}');
SELECT count(maas_drop(m)::text) FROM unnest(ARRAY['notes', 'copy', 'few', 'lstm', 'both', 'chosen', 'large']) m;
DROP TABLE notes;
