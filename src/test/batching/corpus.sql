-- Queries that must give the same answers however they are computed: row by row, in batches of any size, in parallel.
-- src/test/t/batching.pl runs each between BEGIN and ROLLBACK.  In front of each stands its name and what must happen:
-- batched (some rows are computed together), alone (none are) or fails (the plan is not shown); "any order" when the order of the answer is not fixed,
-- "from 15" when older servers do not know the syntax.

-- projection: batched
SELECT id, maas_score('sum', x) FROM t ORDER BY id;
-- projection of a tensor: batched
SELECT id, maas_predict('linear', x) FROM t WHERE id < 30 ORDER BY id;
-- two models: batched
SELECT id, maas_score('sum', x), maas_classify('three', x), maas_predict('linear', x) FROM t ORDER BY id;
-- one model, several answers: batched
SELECT id, maas_score('strings', x[1:2]) > 0.5, maas_classify('strings', x[1:2]), maas_predict('strings', x[1:2], 'label') FROM t ORDER BY id;
-- one model, one answer that mixes rows: batched
SELECT id, maas_predict('sum', x), maas_predict('sum', x, 'squares'), maas_score('sum', x), maas_predict('half_mixed', x),
    maas_predict('half_mixed', x, 'mean') FROM t ORDER BY id;
-- one model, one answer that fails: fails
SELECT id, maas_predict('linear', x), maas_score('linear', x) FROM t ORDER BY id;
-- one model, no such output: fails
SELECT id, maas_predict('sum', x), maas_predict('sum', x, 'nothing') FROM t ORDER BY id;
-- one model, an output that is NULL: batched
SELECT id, maas_predict('sum', x), maas_predict('sum', x, NULL) FROM t ORDER BY id;
-- one model, several answers in jsonb: batched
SELECT id, maas_predict('sum', j), maas_score('sum', j) FROM t WHERE id % 13 <> 0 ORDER BY id;
-- the same call twice: batched
SELECT id, maas_score('sum', x), maas_score('sum', x) + 1 FROM t ORDER BY id;
-- tensors: batched
SELECT id, maas_score('sum', ts), maas_predict('linear', ts), maas_classify('three', ts) FROM t ORDER BY id;
-- doubles: batched
SELECT id, maas_score('sum', d), maas_predict('linear', d) FROM t ORDER BY id;
-- doubles out of range: fails
SELECT id, maas_score('sum', ARRAY[id, CASE id WHEN 90 THEN 1e300 ELSE 1 END, 1]::float8[]) FROM t ORDER BY id;
-- integers made into an array: batched
SELECT id, maas_score('sum', ARRAY[id, g, a]) FROM t ORDER BY id;
-- numeric: batched
SELECT id, maas_score('sum', ARRAY[id, g, 1.5]) FROM t ORDER BY id;
-- text that is a tensor: batched
SELECT id, maas_score('sum', words) FROM t ORDER BY id;
-- text that is the input: batched
SELECT id, maas_score('cities', city) FROM t ORDER BY id;
-- jsonb: batched
SELECT id, maas_predict('linear', j), maas_score('sum', j), maas_classify('three', j) FROM t WHERE j IS NOT NULL AND id % 13 <> 0 ORDER BY id;
-- jsonb made on the way: batched
SELECT id, maas_score('sum', jsonb_build_object('x', ARRAY[ARRAY[id, g, a]])) FROM t ORDER BY id;
-- a row by names: batched
SELECT s.age, maas_predict('columns', s) FROM (SELECT age, income, member, city_code FROM people ORDER BY id OFFSET 0) s;
-- a row by names with a null: fails
SELECT s.age, maas_predict('columns', s) FROM (SELECT age, NULLIF(income, 15000) AS income, member, city_code FROM people ORDER BY id OFFSET 0) s;
-- rows for two models: batched
SELECT s.age, maas_predict('columns', s), maas_score('cities', c) FROM (SELECT age, income::real, member, city_code FROM people ORDER BY id OFFSET 0) s,
    LATERAL (SELECT CASE WHEN s.member THEN 'Oslo' ELSE 'Bern' END AS city OFFSET 0) c;
-- a row with nulls for nan: batched
SELECT n.a, maas_score('missing', n) FROM numbers_or_none n ORDER BY 1, 2;
-- a row with a number out of range: fails
SELECT maas_score('sum', s) FROM (SELECT id, CASE id WHEN 90 THEN 1e300::float8 ELSE 1 END AS b, 1 AS c FROM t ORDER BY id OFFSET 0) s;
-- a row of numbers: batched
SELECT maas_score('sum', s) FROM (SELECT id, g, a FROM t ORDER BY id OFFSET 0) s;
-- a row of a table: batched
SELECT n.a, maas_score('sum', n), maas_classify('three', n) FROM numbers n ORDER BY 1, 2;
-- a row of a table that lacks a value: fails
SELECT maas_score('sum', n) FROM numbers_or_none n ORDER BY a;
-- another output: batched
SELECT id, maas_predict('sum', x, output => 's') FROM t ORDER BY id;
-- a version: batched
SELECT id, maas_predict('linear@2', x) FROM t WHERE id < 50 ORDER BY id;
-- by content: batched
SELECT id, maas_predict_at('\x748fddc368a10b739fe3307f12fa6f9f5256145ccdedb482f0d59fad80f7d072', ts) FROM t WHERE id < 50 ORDER BY id;
-- by content from a subquery: batched
SELECT id, maas_predict_at((SELECT sha256 FROM maas.versions WHERE name = 'linear' AND version = 1), ts) FROM t WHERE id < 50 ORDER BY id;
-- the model from a subquery that fails, and no rows: batched
SELECT maas_score((SELECT name FROM maas.models), x) FROM t WHERE id < 0;
SELECT maas_score('sum', x) FROM t ORDER BY id;
-- the model from another row: batched
SELECT m, s FROM (VALUES ('sum'), ('lengths'), (NULL), ('missing')) v (m), LATERAL (SELECT sum(maas_score(m, x)) AS s FROM t) l ORDER BY m;
-- the model from the same row: alone
SELECT id, maas_score(CASE WHEN id % 2 = 0 THEN 'sum' ELSE 'lengths' END, x) FROM t ORDER BY id;
-- labels of a classifier: batched
SELECT id, maas_classify('strings', x[1:2]), round(maas_score('strings', x[1:2])::numeric, 4) FROM t ORDER BY id;
-- batches given as rows: alone
SELECT id, maas_predict('linear', ARRAY[x, x]) FROM t WHERE id < 50 AND x IS NOT NULL ORDER BY id;
-- ragged: batched
SELECT id, maas_score('lengths', x) FROM ragged ORDER BY id;
-- nulls as nan: batched
SELECT id, maas_score('missing', CASE WHEN id % 4 = 0 THEN ARRAY[1, NULL, 2] ELSE ARRAY[1, 2, 3] END::real[]) FROM t ORDER BY id;
-- only nulls: batched
SELECT id, maas_score('sum', NULLIF(x, x)), maas_score('sum', x) FROM t ORDER BY id;
-- a null name: alone
SELECT id, maas_score(NULL, x) FROM t ORDER BY id;
-- where: batched
SELECT id FROM t WHERE maas_score('sum', x) > 8 ORDER BY id;
-- where after another condition: batched
SELECT id FROM t WHERE g = 1 AND maas_score('sum', x) > 8 ORDER BY id;
-- where with two models: batched
SELECT id FROM t WHERE maas_score('sum', x) > 6 AND maas_classify('three', x) = 'a' ORDER BY id;
-- where and projection: batched
SELECT id, maas_predict('linear', x) FROM t WHERE maas_score('sum', x) > 8 ORDER BY id;
-- the call of the condition projected: batched
SELECT id, maas_score('sum', x) FROM t WHERE maas_score('sum', x) > 8 ORDER BY id;
-- or: batched
SELECT id FROM t WHERE maas_score('sum', x) > 9 OR g = 1 ORDER BY id;
-- or after another condition: alone
SELECT id FROM t WHERE g = 1 OR maas_score('sum', x) > 9 ORDER BY id;
-- case: batched
SELECT id, CASE WHEN maas_score('sum', x) > 7 THEN 'high' ELSE 'low' END FROM t ORDER BY id;
-- in a branch of case: alone
SELECT id, CASE WHEN id % 2 = 0 THEN maas_score('picky', x) END FROM t WHERE id < 60 ORDER BY id;
-- case that guards: alone
SELECT id, CASE WHEN x[1] < 20 THEN maas_score('picky', x) END FROM bad WHERE id > 41 ORDER BY id;
-- coalesce: batched
SELECT id, coalesce(maas_score('sum', x), -1) FROM t ORDER BY id;
-- coalesce after another: alone
SELECT id, coalesce(g::float8, maas_score('sum', x)) FROM t ORDER BY id;
-- nested calls: batched
SELECT id, maas_score('sum', maas_predict('three', maas_predict('sum', x, 'squares'))) > 0.9 FROM t ORDER BY id;
-- nested in a condition: batched
SELECT id FROM t WHERE maas_score('sum', maas_predict('sum', x, 'squares')) > 50 ORDER BY id;
-- order by: batched
SELECT id FROM t ORDER BY maas_score('sum', x) DESC NULLS LAST, id LIMIT 20;
-- order by a label: batched
SELECT id, maas_classify('three', x) FROM t ORDER BY 2, 1;
-- limit: batched
SELECT id, maas_score('sum', x) FROM t ORDER BY id LIMIT 10;
-- limit of one: alone
SELECT id, maas_score('sum', x) FROM t ORDER BY id LIMIT 1;
-- limit and offset: batched
SELECT id, maas_score('sum', x) FROM t ORDER BY id LIMIT 10 OFFSET 300;
-- limit with ties: batched, any order
SELECT id % 10, maas_score('sum', ARRAY[g, 1, 1]) FROM t ORDER BY 1 FETCH FIRST 5 ROWS WITH TIES;
-- limit from a parameter: batched
PREPARE limited(int) AS SELECT id, maas_score('sum', x) FROM t ORDER BY id LIMIT $1;
EXECUTE limited(3);
EXECUTE limited(30);
DEALLOCATE limited;
-- sorted by another column and limited: batched
SELECT id, maas_score('sum', x) FROM t ORDER BY a, id DESC LIMIT 7;
-- distinct: batched
SELECT DISTINCT maas_classify('three', x) FROM t ORDER BY 1;
-- distinct on: batched
SELECT DISTINCT ON (g) g, id, maas_score('sum', x) FROM t ORDER BY g, maas_score('sum', x) NULLS LAST, id;
-- group by: batched
SELECT maas_classify('three', x), count(*) FROM t GROUP BY 1 ORDER BY 1;
-- aggregates: batched
SELECT count(maas_score('sum', x)), sum(maas_score('sum', x)), max(maas_classify('three', x)) FROM t;
-- aggregates by group: batched
SELECT g, sum(maas_score('sum', x)), min(a) FROM t GROUP BY g ORDER BY g;
-- ordered aggregates: batched
SELECT g, string_agg(maas_classify('three', x), ',' ORDER BY id) FROM t GROUP BY g ORDER BY g;
-- distinct aggregates: batched
SELECT g, count(DISTINCT maas_classify('three', x)) FROM t GROUP BY g ORDER BY g;
-- filtered aggregates: alone
SELECT g, sum(maas_score('picky', x)) FILTER (WHERE id <> 42) FROM (SELECT id, x, 1 AS g FROM bad WHERE id > 41) s GROUP BY g;
-- a filter that predicts: batched
SELECT g, count(*) FILTER (WHERE maas_score('sum', x) > 8) FROM t GROUP BY g ORDER BY g;
-- grouping sets: batched
SELECT g, a, sum(maas_score('sum', x)) FROM t GROUP BY GROUPING SETS ((g), (a), ()) ORDER BY g, a;
-- rollup: batched
SELECT g, maas_classify('three', x), count(*) FROM t GROUP BY ROLLUP (1, 2) ORDER BY 1, 2, 3;
-- having: batched
SELECT g, count(*) FROM t GROUP BY g HAVING sum(maas_score('sum', x)) > 940 ORDER BY g;
-- over aggregates: batched
SELECT g, maas_score('sum', ARRAY[min(a), max(a), count(*)]) FROM t GROUP BY g ORDER BY g;
-- having over aggregates: batched
SELECT g, count(*) FROM t GROUP BY g HAVING maas_score('sum', ARRAY[min(a), max(a), g]) > 10 ORDER BY g;
-- window partitioned by a prediction: batched
SELECT id, row_number() OVER (PARTITION BY maas_classify('three', x) ORDER BY id) FROM t ORDER BY id;
-- window ordered by a prediction: batched
SELECT id, rank() OVER (ORDER BY maas_score('sum', x)) FROM t ORDER BY id;
-- over a window: batched
SELECT id, maas_score('sum', ARRAY[id, g, sum(a) OVER (ORDER BY id)]) FROM t ORDER BY id;
-- join: batched
SELECT t.id, u.id, maas_score('sum', t.x), maas_score('sum', u.y) FROM t JOIN u ON u.t = t.id ORDER BY 1, 2;
-- join on both sides' columns: batched
SELECT t.id, maas_score('sum', ARRAY[t.g, u.id, t.a]) FROM t JOIN u ON u.t = t.id ORDER BY 1;
-- left join: batched
SELECT t.id, maas_score('sum', u.y) FROM t LEFT JOIN u ON u.t = t.id ORDER BY t.id;
-- left join with a condition above: batched
SELECT t.id FROM t LEFT JOIN u ON u.t = t.id WHERE coalesce(maas_score('sum', u.y), 5) > 4 ORDER BY t.id;
-- join with a label: batched
SELECT t.id, meaning FROM t JOIN labels ON label = maas_classify('three', x) ORDER BY t.id;
-- join with a label that is returned as well: batched
SELECT t.id, meaning, maas_classify('three', x), maas_score('sum', x) FROM t JOIN labels ON label = maas_classify('three', x) ORDER BY t.id;
-- left join with a label: batched
SET LOCAL enable_mergejoin = off;
SELECT t.id, meaning, maas_classify('three', x) FROM t LEFT JOIN labels ON label = maas_classify('three', x) AND t.g < 3 ORDER BY t.id;
-- left join of labels: batched
SET LOCAL enable_mergejoin = off;
SELECT label, t.id, maas_classify('three', coalesce(x, ARRAY[1, 2, 3])) FROM labels LEFT JOIN t ON label = maas_classify('three', coalesce(x, ARRAY[1, 2, 3]))
    AND t.id < 40 ORDER BY 1, 2;
-- full join of labels: batched
SELECT label, t.id, maas_classify('three', x) FROM labels FULL JOIN t ON label = maas_classify('three', x) ORDER BY 1, 2;
-- join of two predictions: batched
SET LOCAL enable_mergejoin = off;
SELECT count(*), sum(a.id), sum(b.id) FROM t a JOIN u b ON maas_score('sum', a.x) = maas_score('sum', b.y) AND maas_classify('three', a.x) = maas_classify('three', b.y);
-- join of a prediction of a prediction: batched
SET LOCAL enable_mergejoin = off;
SELECT count(*), sum(a.id), sum(b.id) FROM t a JOIN u b ON maas_score('sum', maas_predict('sum', a.x, 'squares')) = maas_score('sum', b.y) + 20;
-- semijoin with a label: batched
SET LOCAL enable_mergejoin = off;
SELECT id FROM t WHERE maas_classify('three', x) IN (SELECT label FROM labels WHERE meaning <> 'second' OFFSET 0) ORDER BY id;
-- antijoin with a label: batched
SET LOCAL enable_mergejoin = off;
SELECT id FROM t WHERE NOT EXISTS (SELECT FROM labels WHERE label = maas_classify('three', t.x) AND meaning <> 'second') ORDER BY id;
-- join on a condition beside the key: alone
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_nestloop = off;
SELECT t.id FROM t JOIN u ON u.t = t.id AND maas_score('sum', ARRAY[t.g, u.id, 1]) > 50 ORDER BY t.id;
-- merge join with a label: batched
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_nestloop = off;
SELECT t.id, meaning FROM t JOIN labels ON label = maas_classify('three', x) ORDER BY t.id;
-- nested loop: batched
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT u.id, s.score FROM u, LATERAL (SELECT maas_score('sum', t.x) AS score FROM t WHERE t.g = u.id % 5 ORDER BY t.id LIMIT 3) s ORDER BY 1, 2;
-- semijoin: batched
SET LOCAL enable_nestloop = off;
SELECT id FROM u WHERE t IN (SELECT id FROM t WHERE maas_score('sum', x) > 8) ORDER BY id;
-- antijoin: batched
SET LOCAL enable_nestloop = off;
SELECT id FROM u WHERE NOT EXISTS (SELECT FROM t WHERE t.id = u.t AND maas_score('sum', x) > 8) ORDER BY id;
-- lateral: batched
SELECT t.id, l.s FROM t, LATERAL (SELECT maas_score('sum', t.x) AS s OFFSET 0) l WHERE t.id < 30 AND l.s > 0 UNION ALL SELECT 0, maas_score('sum', x) FROM t ORDER BY 1, 2;
-- cte: batched
WITH scores AS MATERIALIZED (SELECT id, maas_score('sum', x) AS s FROM t) SELECT count(*), sum(a.s) FROM scores a JOIN scores b ON a.id = b.id + 1;
-- over a cte: batched
WITH rows AS MATERIALIZED (SELECT id, x FROM t) SELECT id, maas_score('sum', x) FROM rows ORDER BY id;
-- recursion: batched
WITH RECURSIVE r (n, x) AS (SELECT id, x FROM t WHERE id <= 20 UNION ALL SELECT n + 20, x FROM r WHERE n < 60 AND maas_score('sum', x) > 3) SELECT n FROM r ORDER BY n;
-- a subplan: batched
SELECT g, (SELECT sum(maas_score('sum', x)) FROM t b WHERE b.g = a.g) FROM (VALUES (0), (1), (2)) a (g) ORDER BY g;
-- an initplan: batched
SELECT id FROM t WHERE a > (SELECT avg(maas_score('sum', x)) FROM t) ORDER BY id;
-- an initplan beside a call: batched
SELECT id, maas_score('sum', x) + (SELECT max(a) FROM t) FROM t WHERE maas_score('sum', x) > (SELECT avg(a) FROM t) ORDER BY id;
-- a subplan beside a call: batched
SELECT id, maas_score('sum', x), (SELECT count(*) FROM u WHERE u.t = t.id) FROM t ORDER BY id;
-- exists in the condition: batched
SET LOCAL enable_nestloop = off;
SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.t = t.id) AND maas_score('sum', x) > 5 ORDER BY id;
-- union: batched
SELECT maas_classify('three', x) FROM t UNION SELECT maas_classify('three', y) FROM u ORDER BY 1;
-- union all: batched
SELECT id, maas_score('sum', x) AS s FROM t UNION ALL SELECT id, maas_score('sum', y) FROM u ORDER BY 1, 2;
-- except: batched
SELECT maas_score('sum', x) FROM t EXCEPT SELECT maas_score('sum', y) FROM u ORDER BY 1;
-- partitions: batched
SELECT id, maas_score('sum', x) FROM p ORDER BY id;
-- a pruned partition: batched
SELECT id, maas_score('sum', x) FROM p WHERE g = 2 ORDER BY id;
-- aggregates over partitions: batched
SELECT g, sum(maas_score('sum', x)) FROM p GROUP BY g ORDER BY g;
-- table sample: batched
SELECT count(maas_score('sum', x)) FROM t TABLESAMPLE SYSTEM (100) REPEATABLE (1);
-- values: batched
SELECT maas_score('sum', v) FROM (VALUES (ARRAY[1, 2, 3]), (NULL), (ARRAY[4, 5, 6]), (ARRAY[7, 8, 9]), (ARRAY[0, 1, 0])) AS s (v);
-- a function's rows: batched
SELECT i, maas_score('sum', ARRAY[i, 1, 1]) FROM generate_series(1, 100) i;
-- an index only scan: batched
SELECT maas_score('sum', ARRAY[id, 0, 0]) FROM t WHERE id BETWEEN 5 AND 90 ORDER BY id;
-- a bitmap scan: batched
SET LOCAL enable_seqscan = off;
SET LOCAL enable_indexscan = off;
SELECT id, maas_score('sum', x) FROM t WHERE g IN (1, 2) ORDER BY id;
-- rows by tid: batched
SELECT id, maas_score('sum', x) FROM t WHERE ctid IN ('(0,1)', '(0,2)', '(0,3)') ORDER BY id;
-- system columns: batched
SELECT ctid, tableoid::regclass, maas_score('sum', x) FROM p0 ORDER BY ctid;
-- a view: batched
SELECT g, avg(s) FROM scored WHERE s > 3 GROUP BY g ORDER BY g;
-- a security barrier: batched
SELECT id FROM guarded WHERE maas_score('sum', x) > 5 ORDER BY id;
-- row level security: batched
SET LOCAL ROLE maas_reader;
SELECT id, maas_score('sum', x) FROM secret ORDER BY id;
SELECT count(*) FROM secret WHERE maas_score('sum', x) > 5;
-- a policy that predicts: batched
CREATE POLICY predicting ON secret AS RESTRICTIVE FOR SELECT TO maas_reader USING (maas_score('sum', x) > 8);
SET LOCAL ROLE maas_reader;
SELECT id FROM secret WHERE g < 3 ORDER BY id;
-- no right: fails
SET LOCAL ROLE maas_reader;
SELECT id, maas_score('linear', x) FROM secret ORDER BY id;
-- no right on the function: fails
REVOKE EXECUTE ON FUNCTION maas_score(text, anyarray) FROM public;
SET LOCAL ROLE maas_reader;
SELECT id, maas_score('sum', x) FROM secret ORDER BY id;
-- a role that changes on the way: batched
SELECT id, maas_score('sum', x), set_config('role', CASE WHEN id = 20 THEN 'maas_reader' ELSE 'postgres' END, true) FROM t WHERE id < 20 ORDER BY id;
-- the right ends with the role: fails
SELECT id, maas_predict('linear', x), set_config('role', CASE WHEN id = 20 THEN 'maas_reader' ELSE current_user END, true) FROM t WHERE id < 30 AND x IS NOT NULL ORDER BY id;
-- a cursor forwards: batched
DECLARE c CURSOR FOR SELECT id, maas_score('sum', x) FROM t;
FETCH 5 FROM c;
FETCH 20 FROM c;
CLOSE c;
-- a cursor both ways: batched
DECLARE c SCROLL CURSOR FOR SELECT id, maas_score('sum', x) FROM t ORDER BY id;
FETCH 30 FROM c;
FETCH BACKWARD 10 FROM c;
FETCH ABSOLUTE 100 FROM c;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
FETCH FIRST FROM c;
MOVE FORWARD ALL FROM c;
FETCH BACKWARD 3 FROM c;
CLOSE c;
-- a cursor that goes back unasked: batched
DECLARE c CURSOR FOR SELECT id, maas_score('sum', x) FROM t;
FETCH 30 FROM c;
FETCH BACKWARD 10 FROM c;
FETCH 2 FROM c;
MOVE FORWARD ALL FROM c;
FETCH BACKWARD 3 FROM c;
FETCH FORWARD 2 FROM c;
MOVE BACKWARD ALL FROM c;
FETCH 40 FROM c;
CLOSE c;
-- a cursor both ways over conditions that predict: batched
DECLARE c SCROLL CURSOR FOR SELECT id, maas_classify('three', x) FROM t WHERE maas_score('sum', x) > 3 AND maas_score('lengths', x) <> 7;
FETCH 30 FROM c;
FETCH BACKWARD 10 FROM c;
FETCH ABSOLUTE 100 FROM c;
FETCH LAST FROM c;
FETCH BACKWARD 5 FROM c;
FETCH FORWARD 3 FROM c;
FETCH FIRST FROM c;
MOVE FORWARD ALL FROM c;
FETCH BACKWARD 3 FROM c;
CLOSE c;
-- a cursor that may not: fails
DECLARE c NO SCROLL CURSOR FOR SELECT id, maas_score('sum', x) FROM t;
FETCH 30 FROM c;
FETCH BACKWARD 1 FROM c;
-- the row of a cursor: batched
DECLARE c CURSOR FOR SELECT id, maas_score('sum', x) FROM t;
FETCH 20 FROM c;
UPDATE t SET a = -1 WHERE CURRENT OF c;
FETCH 5 FROM c;
UPDATE t SET a = -2 WHERE CURRENT OF c;
FETCH BACKWARD 7 FROM c;
UPDATE t SET a = -3 WHERE CURRENT OF c;
CLOSE c;
SELECT id, a FROM t WHERE a < 0 ORDER BY id;
-- the row of a cursor on a partition: batched
DECLARE c NO SCROLL CURSOR FOR SELECT id, maas_score('sum', x) FROM p;
FETCH 20 FROM c;
DELETE FROM p WHERE CURRENT OF c;
CLOSE c;
SELECT count(*), sum(id) FROM p;
-- prepared, a plan for all: batched
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE scores(text, int) AS SELECT id, maas_score($1, x) FROM t WHERE id < $2 ORDER BY id;
EXECUTE scores('sum', 20);
EXECUTE scores('lengths', 10);
EXECUTE scores(NULL, 5);
DEALLOCATE scores;
-- prepared, a plan for each: batched
SET LOCAL plan_cache_mode = force_custom_plan;
PREPARE scores(text, int) AS SELECT id, maas_score($1, x) FROM t WHERE id < $2 ORDER BY id;
EXECUTE scores('sum', 20);
DEALLOCATE scores;
-- insert select: batched
INSERT INTO target SELECT id, maas_score('sum', x), maas_classify('three', x) FROM t;
SELECT * FROM target ORDER BY id;
-- insert select with a default: batched
INSERT INTO numbered (s) SELECT maas_score('sum', x) FROM t ORDER BY id;
SELECT s, n - min(n) OVER () FROM numbered ORDER BY n;
-- insert into what is read: batched
INSERT INTO t (id, g, x) SELECT id + 1000, g, ARRAY[maas_score('sum', x), 1, 1]::real[] FROM t;
SELECT count(*), sum(maas_score('sum', x)) FROM t;
-- insert on conflict: batched
INSERT INTO target SELECT id, 0 FROM t WHERE id % 2 = 0;
INSERT INTO target SELECT id, maas_score('sum', x) FROM t ON CONFLICT (id) DO UPDATE SET s = excluded.s + 1000;
SELECT * FROM target ORDER BY id;
-- insert returning: alone
INSERT INTO target SELECT id FROM t WHERE id < 20 RETURNING id, maas_score('sum', ARRAY[id, 1, 1]);
-- create table as: batched
CREATE TABLE made AS SELECT id, maas_score('sum', x) AS s FROM t;
SELECT count(*), sum(s) FROM made;
-- update: alone
UPDATE t SET a = maas_score('sum', x) WHERE id < 100;
SELECT id, a FROM t ORDER BY id;
-- update from: alone
UPDATE t SET a = maas_score('sum', u.y) FROM u WHERE u.t = t.id;
SELECT id, a FROM t ORDER BY id;
-- update from a cte: batched
WITH s AS MATERIALIZED (SELECT id, maas_score('sum', x) AS s FROM t) UPDATE t SET a = s.s FROM s WHERE s.id = t.id;
SELECT id, a FROM t ORDER BY id;
-- delete: alone
DELETE FROM t WHERE maas_score('sum', x) > 8;
SELECT count(*), sum(id) FROM t;
-- merge: alone, from 15
INSERT INTO target SELECT id, 0 FROM t WHERE id % 3 = 0;
MERGE INTO target USING t ON target.id = t.id AND t.id < 100 WHEN MATCHED THEN UPDATE SET s = maas_score('sum', x)
    WHEN NOT MATCHED THEN INSERT VALUES (t.id, maas_score('sum', x), 'new');
SELECT * FROM target ORDER BY id;
-- a writing cte: alone
WITH gone AS (DELETE FROM t WHERE id < 50 RETURNING id, x) SELECT id, maas_score('sum', x) FROM gone ORDER BY id;
-- row locks: alone
SELECT id, maas_score('sum', x) FROM t WHERE id < 50 ORDER BY id FOR UPDATE;
-- row locks below: alone
SELECT id, maas_score('sum', x) FROM (SELECT * FROM t WHERE id < 50 ORDER BY id FOR UPDATE) s LIMIT 5;
-- row locks and a limit: alone
SELECT id FROM t WHERE maas_score('sum', x) > 5 ORDER BY id LIMIT 3 FOR SHARE;
-- a volatile argument: alone
SELECT id, maas_score('sum', noisy(x)) FROM t WHERE id < 10 ORDER BY id;
-- a volatile condition below: alone
SELECT setval('counter', 1);
SELECT id, maas_score('sum', x) FROM t WHERE noisy(id) > 0 LIMIT 5;
SELECT currval('counter');
-- a volatile neighbour: batched
SELECT setval('counter', 1);
SELECT id, maas_score('sum', x), noisy(id), currval('counter') FROM t WHERE id < 40 ORDER BY id;
-- a volatile neighbour and a limit: batched
SELECT setval('counter', 1);
SELECT id, maas_score('sum', x), nextval('counter') FROM t LIMIT 5;
SELECT currval('counter');
-- a function with a query: batched
SELECT count(score_of(id)) FROM t WHERE id < 5 HAVING count(*) > 0;
SELECT maas_score('sum', x) FROM t ORDER BY id;
-- a loop: batched
SELECT * FROM loop_over();
-- a loop that writes: batched
SELECT * FROM loop_and_write();
-- a cursor in a function: batched
SELECT cursor_over();
-- a set returning function beside a call: alone
SELECT id, unnest(x), maas_score('sum', x) FROM t WHERE id < 20 ORDER BY 1, 2;
-- rows that depend on each other: alone
SELECT id, maas_predict('centred', x) FROM t ORDER BY id;
-- a model without examples: alone
SELECT maas_predict('zeros', ARRAY[id, g]) FROM t WHERE id < 5 ORDER BY id;
-- a model without such inputs: fails
SELECT maas_score('columns', x) FROM t ORDER BY id;
-- no such model: fails
SELECT maas_score('nothing', x) FROM t ORDER BY id;
-- no such model and no rows: alone
SELECT maas_score('nothing', x) FROM t WHERE x IS NULL ORDER BY id;
-- no such output: fails
SELECT maas_predict('sum', x, 'nothing') FROM t ORDER BY id;
-- the wrong function: fails
SELECT maas_score('linear', x) FROM t ORDER BY id;
-- a row that fails in the model: fails
SELECT id, maas_score('picky', x) FROM bad WHERE id > 41 ORDER BY id;
-- not before it is due: batched
SELECT id, maas_score('picky', x) FROM bad WHERE id NOT IN (40, 41) ORDER BY id LIMIT 39;
-- a cursor up to the row that fails: fails
DECLARE c CURSOR FOR SELECT id, maas_score('picky', x) FROM bad WHERE id NOT IN (40, 41);
FETCH 39 FROM c;
FETCH 1 FROM c;
-- a row of another shape: batched
SELECT id, maas_score('picky', x) FROM bad ORDER BY id LIMIT 39;
-- a row of another shape is due: fails
SELECT id, maas_score('picky', x) FROM bad ORDER BY id LIMIT 40;
-- a null in an array: fails
SELECT id, maas_score('picky', x) FROM bad WHERE id <> 40 ORDER BY id;
-- an argument that fails: batched
SELECT id, maas_score('sum', ARRAY[1 / (id - 30), 1, 1]) FROM t ORDER BY id LIMIT 29;
-- an argument that fails is due: fails
SELECT id, maas_score('sum', ARRAY[1 / (id - 30), 1, 1]) FROM t ORDER BY id LIMIT 30;
-- not before it is due, in a call of a call: batched
SELECT id, maas_score('sum', ARRAY[maas_score('picky', x), 1, 1]) FROM bad WHERE id NOT IN (40, 41) ORDER BY id LIMIT 39;
-- not before it is due, behind a condition that predicts: batched
SET LOCAL enable_sort = off;
SET LOCAL enable_seqscan = off;
SELECT id, maas_score('sum', x) FROM bad WHERE maas_score('picky', x) >= 0 AND maas_score('lengths', x) > 1 ORDER BY id LIMIT 39;
-- a condition that fails not before it is due: batched
SET LOCAL enable_sort = off;
SET LOCAL enable_seqscan = off;
SELECT id, maas_score('lengths', x) FROM bad WHERE maas_score('sum', x) / (id - 40) < 100 AND maas_classify('three', x) >= 'a' ORDER BY id LIMIT 39;
-- a condition that fails when it is due: fails
SELECT id, maas_score('lengths', x) FROM bad WHERE maas_score('sum', x) / (id - 30) < 100 AND maas_classify('three', x) >= 'a' ORDER BY id LIMIT 39;
-- a condition that may fail in any way not before it is due: alone
SET LOCAL enable_sort = off;
SET LOCAL enable_seqscan = off;
SELECT id, maas_score('lengths', x) FROM bad WHERE coalesce(maas_score('sum', NULLIF(x, x)), maas_score('picky', x)) >= 0 ORDER BY id LIMIT 39;
-- not before it is due, in a subquery: batched
SELECT maas_score('sum', s.x), s.y FROM (SELECT x, maas_score('picky', x) AS y FROM bad ORDER BY id OFFSET 0) s LIMIT 39;
-- not before it is due, in a call of a call, from a cursor: batched
DECLARE c CURSOR FOR SELECT id, maas_score('sum', ARRAY[maas_score('picky', x), 1, 1]) FROM bad WHERE maas_score('lengths', x) > 1;
FETCH 30 FROM c;
FETCH BACKWARD 5 FROM c;
FETCH 14 FROM c;
FETCH BACKWARD 3 FROM c;
FETCH 3 FROM c;
CLOSE c;
-- a condition that predicts keeps few rows: batched
SELECT id, maas_score('lengths', x) FROM t WHERE maas_score('sum', x) = 3 ORDER BY id;
-- a condition that cannot be batched before one that can: alone
SELECT id, maas_score('lengths', x) FROM t WHERE maas_element(maas_predict('centred', x), 1) = 0 ORDER BY id;
-- failing behind a condition: batched
SELECT id FROM bad WHERE id <> 42 AND maas_score('picky', x) > 3 AND id NOT IN (40, 41) ORDER BY id LIMIT 20;
-- little memory for rows: batched
SET LOCAL work_mem = 64;
SELECT id, maas_score('lengths', array_fill(id::real, ARRAY[6000])), x FROM t ORDER BY id;
-- little memory for the model: batched
SET LOCAL maas.memory_limit = '4MB';
SELECT id, maas_score('wide', x) FROM t ORDER BY id;
-- too little memory for the model: fails
SET LOCAL maas.memory_limit = '1MB';
SELECT id, maas_score('wide', ARRAY[x, x, x, x, x, x, x, x]) FROM t ORDER BY id;
-- errors caught in a block: fails
DO $$
DECLARE
    r record;
    n int := 0;
BEGIN
    FOR r IN SELECT id, maas_score('picky', x) AS s FROM bad WHERE id NOT IN (40, 41) ORDER BY id LOOP
        n := n + 1;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '% rows, then: %', n, SQLERRM;
END $$;
