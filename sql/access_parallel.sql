-- Parallel workers ask for the right themselves, under the role and the snapshot of the query.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
CREATE ROLE maas_user;
CREATE ROLE maas_team;
CREATE TABLE points WITH (parallel_workers = 2) AS SELECT i, ARRAY[i, 1, 2]::real[] AS f FROM generate_series(1, 5000) i;
GRANT SELECT ON points TO maas_user;
SELECT maas_load('sum', :'sum');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
PREPARE score AS SELECT count(*), sum(maas_score('sum', f)) FROM points;
PREPARE pinned AS SELECT count(maas_predict_at((SELECT sha256 FROM maas.versions WHERE name = 'sum'), f::tensor)) FROM points;
EXPLAIN (COSTS off) EXECUTE score;
EXECUTE score;
SET ROLE maas_user;
EXECUTE score;
RESET ROLE;
SELECT maas_grant('sum', 'maas_user');
SET ROLE maas_user;
EXPLAIN (COSTS off) EXECUTE score;
EXECUTE score;
EXECUTE score;
EXECUTE pinned;
RESET ROLE;
SELECT maas_revoke('sum', 'maas_user');
SET ROLE maas_user;
EXECUTE score;
-- By a role that comes and goes.
RESET ROLE;
SELECT maas_grant('sum', 'maas_team');
SET ROLE maas_user;
EXECUTE score;
RESET ROLE;
GRANT maas_team TO maas_user;
SET ROLE maas_user;
EXECUTE score;
RESET ROLE;
REVOKE maas_team FROM maas_user;
SET ROLE maas_user;
EXECUTE score;
-- By a policy that comes and goes.
RESET ROLE;
CREATE POLICY mine ON maas.model FOR SELECT TO maas_user USING (name = 'sum');
SET ROLE maas_user;
EXECUTE score;
RESET ROLE;
DROP POLICY mine ON maas.model;
SET ROLE maas_user;
EXECUTE score;
-- In a transaction that is rolled back.
RESET ROLE;
BEGIN;
SELECT maas_grant('sum', 'maas_user'), maas_load('sum', :'total');
SET LOCAL ROLE maas_user;
SELECT count(*), sum(maas_score('sum', f)), sum(maas_score('sum@1', f)) FROM points;
EXECUTE score;
ROLLBACK;
SET ROLE maas_user;
EXECUTE score;
RESET ROLE;
-- Rows and jsonb in workers.
SELECT count(*), sum(maas_score('sum', ROW(i, 1, 2))), sum(maas_score('sum', jsonb_build_object('x', jsonb_build_array(f)))) FROM points;
-- An error in a worker, and the query after it.
SELECT count(maas_predict('sum', CASE WHEN i = 4000 THEN ARRAY[1,2]::real[] ELSE f END)) FROM points;
EXECUTE score;
DROP TABLE points;
SELECT maas_drop('sum');
DROP ROLE maas_user, maas_team;
