-- Who may do what with a model: owners, grants, roles, PUBLIC; and that a change bites at once.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
CREATE ROLE maas_owner;
CREATE ROLE maas_user;
CREATE ROLE maas_team;
CREATE ROLE maas_member IN ROLE maas_team;
CREATE ROLE maas_other;
CREATE ROLE "maas odd ""role""";

-- An ordinary role loads its own model and uses it; nobody else sees it.
SET ROLE maas_owner;
SELECT maas_load('secret', :'linear'), maas_load('secret', :'linear2', deploy => false);
SELECT maas_predict('secret', '[1,2,3]'), maas_export('secret') = :'linear'::bytea AS same;
SELECT name, owner FROM maas.models;
SET ROLE maas_user;
SELECT name FROM maas.models;
SELECT name FROM maas.versions;
SELECT (SELECT count(*) FROM maas.model) + (SELECT count(*) FROM maas.model_version) + (SELECT count(*) FROM maas.model_acl)
    + (SELECT count(*) FROM maas.model_alias) AS rows_seen;
SELECT maas_predict('secret', '[1,2,3]');
SELECT maas_predict('secret@2', '[1,2,3]');
SELECT maas_predict('secret', ROW(1,2,3));
SELECT maas_predict('secret', '{"x": [[1,2,3]]}'::jsonb);
SELECT maas_predict('secret', ARRAY['[1,2,3]'::tensor]);
SELECT * FROM maas_predict_query('secret', 'SELECT 1, 2, 3');
SELECT * FROM maas_run('secret', ARRAY['x'], ARRAY['[[1,2,3]]'::tensor]);
SELECT maas_predict_at(sha256(:'linear'), '[1,2,3]');
SELECT maas_classify('secret', '[1,2,3]');
SELECT maas_score('secret', '[1,2,3]');
SELECT maas_describe('secret');
SELECT maas_export('secret');
SELECT maas_load('secret', :'linear');
SELECT maas_deploy('secret', 2);
SELECT maas_rollback('secret');
SELECT maas_alias('secret', 'a', 1);
SELECT maas_drop('secret');
SELECT maas_grant('secret', 'maas_user');
SELECT maas_revoke('secret', 'maas_user');

-- The right to predict: no more than that.
SET ROLE maas_owner;
SELECT maas_grant('secret', 'maas_user');
SET ROLE maas_user;
SELECT maas_predict('secret', '[1,2,3]'), maas_predict('secret@2', '[1,2,3]'), maas_predict_at(sha256(:'linear'), '[1,2,3]');
SELECT name, owner, versions FROM maas.models;
SELECT grantee, privilege, grantor FROM maas.model_acl;
SELECT maas_export('secret');
SELECT maas_load('secret', :'linear');
SELECT maas_deploy('secret', 2);
SELECT maas_alias('secret', 'a', 1);
SELECT maas_drop('secret');
SELECT maas_grant('secret', 'maas_other');
SELECT count(*) FROM maas.model_chunk;
SET ROLE maas_other;
SELECT maas_predict('secret', '[1,2,3]');

-- The right to download, to manage.
SET ROLE maas_owner;
SELECT maas_grant('secret', 'maas_user', 'download');
SET ROLE maas_user;
SELECT maas_export('secret') = :'linear'::bytea AS same, maas_export('secret@2') = :'linear2'::bytea AS same;
SELECT maas_deploy('secret', 2);
SET ROLE maas_owner;
SELECT maas_revoke('secret', 'maas_user', 'download'), maas_grant('secret', 'maas_user', 'manage');
SET ROLE maas_user;
SELECT maas_export('secret');
SELECT maas_deploy('secret', 2), maas_rollback('secret'), maas_alias('secret', 'best', 1), maas_load('secret', :'sum', deploy => false);
SELECT version, created_by FROM maas.versions ORDER BY version;
SELECT maas_predict('secret@best', '[1,2,3]');
SELECT maas_drop('secret');
SELECT maas_grant('secret', 'maas_other');
SET ROLE maas_owner;
SELECT maas_revoke('secret', 'maas_user');
SET ROLE maas_user;
SELECT maas_predict('secret', '[1,2,3]');

-- A role's members, PUBLIC, odd names.
SET ROLE maas_owner;
SELECT maas_grant('secret', 'maas_team'), maas_grant('secret', 'maas odd "role"');
SET ROLE maas_member;
SELECT maas_predict('secret', '[1,2,3]');
SET ROLE "maas odd ""role""";
SELECT maas_predict('secret', '[1,2,3]');
RESET ROLE;
REVOKE maas_team FROM maas_member;
SET ROLE maas_member;
SELECT maas_predict('secret', '[1,2,3]');
SET ROLE maas_owner;
SELECT maas_grant('secret', 'public', 'all');
SET ROLE maas_other;
SELECT maas_predict('secret', '[1,2,3]'), maas_export('secret') = :'linear'::bytea AS same;
SET ROLE maas_owner;
SELECT maas_revoke('secret', 'PUBLIC', 'predict');
SET ROLE maas_other;
SELECT maas_predict('secret', '[1,2,3]');
SET ROLE maas_owner;
SELECT maas_grant('secret', 'maas_nobody');
SELECT maas_grant('secret', 'maas_user', 'everything');
-- A renamed role keeps its rights, and the owner its models.
SELECT maas_grant('secret', 'maas_user');
RESET ROLE;
ALTER ROLE maas_user RENAME TO maas_renamed;
ALTER ROLE maas_owner RENAME TO maas_renamed_owner;
SET ROLE maas_renamed;
SELECT maas_predict('secret', '[1,2,3]'), owner FROM maas.models;
RESET ROLE;
ALTER ROLE maas_renamed RENAME TO maas_user;
ALTER ROLE maas_renamed_owner RENAME TO maas_owner;

-- At once: a prepared statement, a cursor, a function, a savepoint.
SET ROLE maas_user;
PREPARE p AS SELECT maas_predict('secret', '[1,2,3]');
SELECT sha256(:'linear')::text AS pin \gset
PREPARE pinned AS SELECT maas_predict_at(:'pin', '[1,2,3]');
PREPARE views AS SELECT name FROM maas.models;
EXECUTE p;
EXECUTE p;
EXECUTE pinned;
EXECUTE views;
SET ROLE maas_other;
EXECUTE p;
EXECUTE pinned;
EXECUTE views;
SET ROLE maas_user;
EXECUTE p;
EXECUTE pinned;
SET ROLE maas_owner;
SELECT maas_revoke('secret', 'maas_user');
SET ROLE maas_user;
EXECUTE p;
EXECUTE pinned;
EXECUTE views;
-- Rolled back, the revocation did not happen; rolled back, the grant did not.
BEGIN;
SET LOCAL ROLE maas_owner;
SELECT maas_grant('secret', 'maas_user');
SAVEPOINT s;
SELECT maas_revoke('secret', 'maas_user');
SET LOCAL ROLE maas_user;
SAVEPOINT t;
EXECUTE p;
ROLLBACK TO s;
SET LOCAL ROLE maas_user;
EXECUTE p;
EXECUTE pinned;
ROLLBACK;
SET ROLE maas_user;
EXECUTE p;
EXECUTE pinned;
-- In a function: the loop's expression lives on from one round to the next.
RESET ROLE;
CREATE FUNCTION try(model text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer tensor;
BEGIN
    answer := maas_predict(model, '[1,2,3]'::tensor);
    RETURN answer::text;
EXCEPTION WHEN undefined_object THEN
    RETURN 'no right';
END $$;
DO $$
DECLARE
    answers text[];
BEGIN
    FOR round IN 1 .. 8 LOOP
        SET LOCAL ROLE maas_owner;
        IF round % 2 = 1 THEN
            PERFORM maas_grant('secret', 'maas_user');
        ELSE
            PERFORM maas_revoke('secret', 'maas_user');
        END IF;
        SET LOCAL ROLE maas_user;
        answers := answers || try('secret');
        IF round = 3 THEN
            SET LOCAL ROLE maas_other;
            answers := answers || try('secret');
        END IF;
        RESET ROLE;
    END LOOP;
    RAISE NOTICE '%', answers;
END $$;
DO $$
DECLARE
    answers text[];
BEGIN
    PERFORM maas_grant('secret', 'maas_user');
    SET LOCAL ROLE maas_user;
    FOR round IN 1 .. 2 LOOP
        answers := answers || try('secret');
        BEGIN
            RESET ROLE;
            PERFORM maas_revoke('secret', 'maas_user');
            SET LOCAL ROLE maas_user;
            answers := answers || try('secret');
            RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ001';
        EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
            NULL;
        END;
        SET LOCAL ROLE maas_user;
        answers := answers || try('secret');
    END LOOP;
    RAISE NOTICE '%', answers;
END $$;
SELECT maas_revoke('secret', 'maas_user');
-- Cursors: every FETCH asks again, though its snapshot is that of DECLARE.
SELECT maas_grant('secret', 'maas_user');
BEGIN;
SET LOCAL ROLE maas_user;
DECLARE c CURSOR FOR SELECT i, maas_predict('secret', ARRAY[i, 1, 1]) FROM generate_series(1, 4) i;
FETCH 1 FROM c;
RESET ROLE;
SELECT maas_revoke('secret', 'maas_user');
SET LOCAL ROLE maas_user;
FETCH 1 FROM c;
ROLLBACK;
-- A transaction that keeps its snapshot does not keep the right.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL ROLE maas_user;
EXECUTE p;
RESET ROLE;
SELECT maas_revoke('secret', 'maas_user');
SET LOCAL ROLE maas_user;
EXECUTE p;
ROLLBACK;
DEALLOCATE ALL;

-- A user's own policies: one that lets more in, one that keeps out.
SELECT maas_revoke('secret', 'maas_user');
SET ROLE maas_user;
PREPARE p AS SELECT maas_predict('secret', '[1,2,3]');
EXECUTE p;
RESET ROLE;
CREATE POLICY mine ON maas.model FOR SELECT TO maas_user USING (name = 'secret');
SET ROLE maas_user;
EXECUTE p;
SELECT maas_export('secret');
RESET ROLE;
CREATE POLICY not_now ON maas.model AS RESTRICTIVE FOR SELECT TO maas_user USING (current_setting('maas_test.allow', true) = 'yes');
SET ROLE maas_user;
EXECUTE p;
SET maas_test.allow = 'yes';
EXECUTE p;
SET maas_test.allow = 'no';
EXECUTE p;
DO $$
DECLARE
    answers text[];
BEGIN
    FOR round IN 1 .. 3 LOOP
        PERFORM set_config('maas_test.allow', CASE round % 2 WHEN 1 THEN 'yes' ELSE 'no' END, true);
        answers := answers || try('secret');
    END LOOP;
    RAISE NOTICE '%', answers;
END $$;
RESET ROLE;
DROP POLICY mine ON maas.model;
DROP POLICY not_now ON maas.model;
-- Only some versions.
SELECT maas_grant('secret', 'maas_user');
CREATE POLICY first_only ON maas.model_version AS RESTRICTIVE FOR SELECT TO maas_user USING (number = 1);
SET ROLE maas_user;
SELECT maas_predict('secret@1', '[1,2,3]');
SELECT maas_predict('secret@2', '[1,2,3]');
SELECT maas_predict('secret@best', '[1,2,3]');
RESET ROLE;
DROP POLICY first_only ON maas.model_version;
SET row_security = off;
SET ROLE maas_user;
SELECT maas_predict('secret', '[1,2,3]');
RESET ROLE;
RESET row_security;

-- A view and a function of the owner's lend the right; nothing else does.
SELECT maas_revoke('secret', 'maas_user');
SET ROLE maas_owner;
RESET ROLE;
GRANT CREATE ON SCHEMA public TO maas_owner;
SET ROLE maas_owner;
CREATE FUNCTION lend(real[]) RETURNS tensor LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ SELECT maas_predict('secret', $1) $$;
SET ROLE maas_user;
SELECT lend(ARRAY[1,2,3]);
SELECT lend(ARRAY[1,2,3]), maas_predict('secret', '[1,2,3]');
RESET ROLE;
DROP FUNCTION lend(real[]);
REVOKE CREATE ON SCHEMA public FROM maas_owner;

-- Plain SQL cannot forge, change or read what it must not.
SELECT maas_grant('secret', 'maas_user', 'manage');
SET ROLE maas_user;
INSERT INTO maas.model (name, owner) VALUES ('forged', 'maas_owner');
INSERT INTO maas.model_version (model, number, sha256, size, signature, origin, created_by)
    SELECT id, 9, sha256('x'), 1, '{}', 'x', 'maas_user' FROM maas.model;
INSERT INTO maas.model_chunk SELECT id, 1, 9, 'x' FROM maas.model;
UPDATE maas.model_version SET sha256 = sha256('x');
UPDATE maas.model_chunk SET data = 'x';
DELETE FROM maas.model_version;
DELETE FROM maas.model_chunk;
UPDATE maas.model SET owner = 'maas_user';
UPDATE maas.model SET name = 'stolen';
DELETE FROM maas.model;
SELECT name FROM maas.models;
SELECT data FROM maas.model_chunk;
INSERT INTO maas.model_acl (model, owner, grantee, privilege) SELECT id, owner, 'maas_user'::regrole, 'download' FROM maas.model;
INSERT INTO maas.model_acl (model, owner, grantee, privilege) SELECT id, 'maas_user', 'maas_user'::regrole, 'download' FROM maas.model;
UPDATE maas.model_acl SET privilege = 'download';
DELETE FROM maas.model_acl;
SELECT grantee, privilege FROM maas.model_acl ORDER BY privilege;
TRUNCATE maas.model CASCADE;
SELECT maas_load_file('file', 'PG_VERSION');
-- Not even with every grant that an administrator may give by mistake.
RESET ROLE;
GRANT ALL ON ALL TABLES IN SCHEMA maas TO maas_user;
SET ROLE maas_user;
SELECT count(*) FROM maas.model_chunk;
INSERT INTO maas.model_chunk SELECT id, 1, 9, 'x' FROM maas.model;
UPDATE maas.model_version SET sha256 = sha256('x');
INSERT INTO maas.model (name, owner) VALUES ('forged', 'maas_owner');
RESET ROLE;
REVOKE ALL ON ALL TABLES IN SCHEMA maas FROM maas_user;
-- Who may create models can be narrowed.
REVOKE INSERT (name) ON maas.model FROM PUBLIC;
SET ROLE maas_other;
SELECT maas_load('mine', :'linear');
RESET ROLE;
GRANT INSERT (name) ON maas.model TO PUBLIC;
SET ROLE maas_other;
SELECT maas_load('mine', :'linear');
SELECT maas_load('secret', :'linear');
RESET ROLE;
SELECT maas_drop('mine'), maas_drop('secret');
DROP FUNCTION try(text);
DROP ROLE maas_owner, maas_user, maas_team, maas_member, maas_other, "maas odd ""role""";
