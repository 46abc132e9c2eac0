-- Models and inputs that mean harm: each is an error that names the trouble, and the session goes on.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
SELECT maas_load('good', :'linear'), maas_load('endless', :'endless'), maas_load('zeros', :'zeros');
SELECT maas_load('bad', '\x');
SELECT maas_load('bad', :'truncated');
SELECT maas_load('bad', :'random');
SELECT maas_load('bad', :'recursive');
SELECT maas_load('bad', :'cycle');
SELECT maas_load('bad', :'deep');
SELECT maas_load('bad', :'unknown');
SELECT maas_load('bad', :'absurd');
SELECT maas_load('bad', :'mismatch');
-- Every cut of a model, every bit of it flipped: refused or loaded, nothing else.
DO $$
DECLARE
    whole bytea := maas_export('good');
    loaded int := 0;
BEGIN
    FOR i IN 0 .. length(whole) - 1 LOOP
        BEGIN
            PERFORM maas_load('bad', substr(whole, 1, i));
            RAISE EXCEPTION 'loaded' USING ERRCODE = 'ZZ001';
        EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
            loaded := loaded + 1;
        WHEN OTHERS THEN
            IF SQLSTATE LIKE 'XX%' THEN
                RAISE;
            END IF;
        END;
        FOR bit IN 0 .. 7 LOOP
            BEGIN
                PERFORM maas_load('bad', set_bit(whole, i * 8 + bit, 1 - get_bit(whole, i * 8 + bit)));
                PERFORM maas_predict('bad', '[1,2,3]');
                RAISE EXCEPTION 'loaded' USING ERRCODE = 'ZZ001';
            EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
                loaded := loaded + 1;
            WHEN OTHERS THEN
                IF SQLSTATE LIKE 'XX%' THEN
                    RAISE;
                END IF;
            END;
        END LOOP;
    END LOOP;
    RAISE NOTICE 'done, % loaded', CASE WHEN loaded > 0 THEN 'some' ELSE 'none' END;
END $$;
SELECT name FROM maas.models ORDER BY name;

-- A loop that does not end: the timeout stops it.
SET statement_timeout = '200ms';
SELECT maas_predict('endless', '[1,2]');
RESET statement_timeout;
SELECT maas_predict('good', '[1,2,3]');

-- Memory is bounded.
SELECT maas_predict('zeros', '{"shape": [2, 3]}'::jsonb);
SET maas.memory_limit = '64MB';
DO $$ BEGIN
    PERFORM maas_predict('zeros', ARRAY[100000, 100000]);
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '%: %', SQLSTATE, split_part(SQLERRM, ',', 1);
END $$;
SELECT maas_predict('zeros', ARRAY[9223372036854775807, 9223372036854775807]);
SELECT maas_predict('zeros', ARRAY[-1, 2]);
RESET maas.memory_limit;
SELECT maas_predict('good', '[1,2,3]');

-- The session's cache is bounded: with no room each model is prepared again when it is its turn.
SET maas.cache_size = 0;
SELECT maas_predict('good', ARRAY[i, 1, 1]), maas_predict('zeros', ARRAY[1, i]) FROM generate_series(1, 3) i;
RESET maas.cache_size;

-- A temporary schema does not stand in for the catalog.
CREATE TEMP TABLE model (id bigint, name text, deployed int);
CREATE TEMP TABLE model_version (model bigint, number int);
CREATE FUNCTION pg_temp.may(bigint, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION pg_temp.texteq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.texteq);
SET search_path = pg_temp, public;
SELECT maas_predict('good', '[1,2,3]');
SELECT maas_predict('any', '[1,2,3]');
RESET search_path;
DROP TABLE model, model_version;
DROP OPERATOR pg_temp.= (text, text);
DROP FUNCTION pg_temp.may(bigint, text), pg_temp.texteq(text, text);

SELECT count(maas_drop(name)) FROM maas.models;
