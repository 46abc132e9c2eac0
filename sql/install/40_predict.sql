-- Predicting: maas_predict, maas_classify, maas_score, maas_run.
--
-- STABLE: within a statement a name means one version.  Strict: NULL in gives NULL out.  The cost comes from the
-- model's operations, by the support function.

CREATE FUNCTION maas.predict_support(internal) RETURNS internal
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'maas_predict_support';
COMMENT ON FUNCTION maas.predict_support(internal) IS 'tells the planner what a prediction costs';

-- ---- a tensor, an array, a text, a row ----

-- One function for each kind of input: maas_predict with and without the name of an output, maas_classify, maas_score.
DO $do$
DECLARE
    form record;
    answer record;
    signature text;
BEGIN
    FOR form IN SELECT * FROM (VALUES
        ('tensor', '', 'a tensor: one example, or a batch along a leading dimension'),
        ('anyarray', '_array', 'an array of numbers, booleans or strings: one example, or a batch along a leading dimension'),
        ('text', '_text', 'a text: one example for a model of strings, otherwise a tensor as text, [[1,2],[3,4]]'),
        ('record', '_row', 'a row: columns to inputs by name, or the numeric columns in order to the only input'))
        AS f (type, suffix, words)
    LOOP
        FOR answer IN SELECT * FROM (VALUES
            ('maas_predict', '', 'tensor', 'the model''s scores for'),
            ('maas_predict', ', output text', 'tensor', 'another output of the model, by its name, for'),
            ('maas_classify', '', 'text', 'the label of the class that the model gives to'),
            ('maas_score', '', 'double precision', 'the one number that the model gives, or the probability of the second of two classes, for'))
            AS a (name, more, result, words)
        LOOP
            EXECUTE pg_catalog.format(
                'CREATE FUNCTION %s(model text, input %s%s) RETURNS %s LANGUAGE c STABLE STRICT PARALLEL SAFE '
                'COST 1000 SUPPORT maas.predict_support AS ''MODULE_PATHNAME'', %L',
                answer.name, form.type, answer.more, answer.result, answer.name OPERATOR(pg_catalog.||) form.suffix);
            signature := pg_catalog.format('%s(text, %s%s)', answer.name, form.type,
                CASE WHEN answer.more OPERATOR(pg_catalog.<>) '' THEN ', text' ELSE '' END);
            EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', signature,
                pg_catalog.concat(answer.words, ' ', form.words));
        END LOOP;
    END LOOP;
END
$do$;

-- ---- named inputs and outputs ----

CREATE FUNCTION maas_predict(model text, input jsonb) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT maas.predict_support
    AS 'MODULE_PATHNAME', 'maas_predict_json';
COMMENT ON FUNCTION maas_predict(text, jsonb) IS
    'all outputs of the model as an object, for an object with a member for each input; every kind of input and output';

CREATE FUNCTION maas_classify(model text, input jsonb) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT maas.predict_support
    AS 'MODULE_PATHNAME', 'maas_classify_json';
COMMENT ON FUNCTION maas_classify(text, jsonb) IS
    'the label of the class that the model gives to an object with a member for each input';

CREATE FUNCTION maas_score(model text, input jsonb) RETURNS double precision
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT maas.predict_support
    AS 'MODULE_PATHNAME', 'maas_score_json';
COMMENT ON FUNCTION maas_score(text, jsonb) IS
    'the one number that the model gives, or the probability of the second of two classes, for an object with a member for each input';

CREATE FUNCTION maas_run(model text, names text[], inputs tensor[], OUT name text, OUT value tensor) RETURNS SETOF record
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 ROWS 10 SUPPORT maas.predict_support
    AS 'MODULE_PATHNAME', 'maas_run';
COMMENT ON FUNCTION maas_run(text, text[], tensor[]) IS
    'runs a model on named inputs and returns every output; elements of sequences are named x[0], x[1] and so on, keys and values of maps x.keys and x.values';

-- ---- a version that never changes ----

CREATE FUNCTION maas_predict_at(sha256 bytea, input tensor) RETURNS tensor
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT maas.predict_support
    AS 'MODULE_PATHNAME', 'maas_predict_at';
COMMENT ON FUNCTION maas_predict_at(bytea, tensor) IS
    'maas_predict with the model named by its content (maas.versions shows the SHA-256): for generated columns and expression indexes';

CREATE FUNCTION maas_predict_at(sha256 bytea, input tensor, output text) RETURNS tensor
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT maas.predict_support
    AS 'MODULE_PATHNAME', 'maas_predict_at';
COMMENT ON FUNCTION maas_predict_at(bytea, tensor, text) IS
    'another output, by its name, of the model named by its content';

-- ---- many at once ----

CREATE FUNCTION maas_predict(model text, inputs tensor[]) RETURNS tensor[]
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10000 AS 'MODULE_PATHNAME', 'maas_predict_many';
COMMENT ON FUNCTION maas_predict(text, tensor[]) IS
    'the model''s scores for each tensor of an array, computed together; NULL for NULL';

CREATE FUNCTION maas_predict_query(model text, query text, key_column text DEFAULT NULL, output text DEFAULT NULL,
        OUT key text, OUT prediction tensor) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100000 ROWS 1000 AS 'MODULE_PATHNAME', 'maas_predict_query';
COMMENT ON FUNCTION maas_predict_query(text, text, text, text) IS
    'the model''s scores for each row of a query, computed in batches; key_column names the column that tells which row a prediction is for, and is no input; without it, key is the number of the row';
