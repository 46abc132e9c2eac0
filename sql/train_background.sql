-- A training in a background worker, as the caller: its row is there at once, and tells how it ended.
\set SHOW_CONTEXT never
CREATE TABLE points (x real, y real, side text);
INSERT INTO points SELECT i % 17, i % 19, CASE WHEN i % 17 > i % 19 THEN 'below' ELSE 'above' END FROM generate_series(1, 400) i;
CREATE FUNCTION wait_for(run bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..1200 LOOP
        IF (SELECT r.status <> 'running' FROM maas.training_runs r WHERE r.id = run) THEN
            RETURN (SELECT r.status FROM maas.training_runs r WHERE r.id = run);
        END IF;
        PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
    END LOOP;
    RETURN 'not ended';
END
$$;
SELECT maas_train('side', 'SELECT * FROM points', 'side', options => '{"seed":1,"epochs":20}', background => true) ->> 'run' AS run \gset
SELECT wait_for(:run);
SELECT model, version, owner = current_user::regrole AS mine, query, target, options, seed, jsonb_array_length(epochs) AS epochs, error,
    architecture ? 'layers' AS architecture, ended_at > begun_at AS ended FROM maas.training_runs WHERE id = :run;
SELECT (maas_evaluate('side', 'SELECT * FROM points', 'side') ->> 'accuracy')::float8 > 0.9 AS good;
-- Two of the same at once, with the same checkpoint.
SELECT maas_train('twice', 'SELECT * FROM points', 'side', options => '{"seed":1,"epochs":60,"checkpoint":1}', background => true) ->> 'run' AS run,
    maas_train('twice', 'SELECT * FROM points', 'side', options => '{"seed":1,"epochs":60,"checkpoint":1}', background => true) ->> 'run' AS other \gset
SELECT wait_for(:run), wait_for(:other);
SELECT count(*) AS versions, count(DISTINCT sha256) AS models FROM maas.versions WHERE name = 'twice';
-- What is wrong stands in the row.
SELECT maas_train('side', 'SELECT * FROM nowhere', 'side', background => true) ->> 'run' AS run \gset
SELECT wait_for(:run);
SELECT status, version, error FROM maas.training_runs WHERE id = :run;
SELECT maas_train('side', 'SELECT * FROM points', 'side', options => '{"epoch":1}', background => true) ->> 'run' AS run \gset
SELECT wait_for(:run);
SELECT status, version, error FROM maas.training_runs WHERE id = :run;
SELECT maas_train('side', 'SELECT * FROM points', 'sde', background => true) ->> 'run' AS run \gset
SELECT wait_for(:run);
SELECT status, version, error FROM maas.training_runs WHERE id = :run;
-- With the settings and the role of the caller; others do not see it.
CREATE ROLE maas_background_one;
CREATE ROLE maas_background_two;
CREATE SCHEMA maas_background AUTHORIZATION maas_background_one;
SET ROLE maas_background_one;
SET search_path = maas_background, public;
CREATE TABLE points AS SELECT i % 7 AS x, i % 7 > 3 AS side FROM generate_series(1, 100) i;
SELECT maas_train('other', 'SELECT * FROM points', 'side', options => '{"seed":1}', background => true) ->> 'run' AS run \gset
SELECT wait_for(:run);
SELECT model, version, owner FROM maas.training_runs;
SELECT name, owner FROM maas.models;
SET ROLE maas_background_two;
SELECT count(*) FROM maas.training_runs;
RESET ROLE;
RESET search_path;
-- Seen while it runs; a cancel ends it.
SELECT maas_train('long', 'SELECT * FROM points', 'side', options => '{"seed":1,"epochs":1000000000}', background => true) ->> 'run' AS run \gset
DO $$
BEGIN
    FOR i IN 1..600 LOOP
        EXIT WHEN EXISTS (SELECT FROM maas.training_progress WHERE step > 0);
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
SELECT model, epoch > 0 AS epoch, epochs, step > 0 AS step, loss > 0 AS loss, seconds_left > 0 AS left FROM maas.training_progress;
SET ROLE maas_background_two;
SELECT count(*) FROM maas.training_progress;
RESET ROLE;
SELECT pg_cancel_backend(pid) FROM maas.training_progress;
SELECT wait_for(:run);
SELECT error FROM maas.training_runs WHERE id = :run;
SELECT count(*) FROM maas.training_progress;
-- A worker that is killed leaves a row that says so.
SELECT maas_train('long', 'SELECT * FROM points', 'side', options => '{"seed":1,"epochs":1000000000}', background => true) ->> 'run' AS run \gset
SELECT pg_terminate_backend(pid) FROM maas.training_run WHERE id = :run;
SELECT wait_for(:run);
-- So does one whose process has its number from another by now, as after a restart of the server.
UPDATE maas.training_run SET pid = pg_backend_pid(), begun_at = '2000-01-01' WHERE id = :run;
SELECT status FROM maas.training_runs WHERE id = :run;
SELECT maas_drop('side'), maas_drop('other'), maas_drop('twice');
DROP TABLE points;
DROP FUNCTION wait_for(bigint);
DROP OWNED BY maas_background_one;
DROP ROLE maas_background_one, maas_background_two;
