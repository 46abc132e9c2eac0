-- Models: loading, exporting, deploying, rights, description.
--
-- All of these run with the caller's rights; maas.model's policies decide.

-- ---- loading ----

CREATE FUNCTION maas_load(name text, model bytea, deploy boolean DEFAULT true, labels text[] DEFAULT NULL,
        null_as_nan boolean DEFAULT false) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'maas_load';
COMMENT ON FUNCTION maas_load(text, bytea, boolean, text[], boolean) IS
    'loads an ONNX model, or the next version of it when the name exists, and returns the version; deploy => false holds it back for maas_deploy, labels names the classes, null_as_nan makes a NULL inside of an input NaN';

CREATE FUNCTION maas_load(name text, model text, deploy boolean DEFAULT true, labels text[] DEFAULT NULL,
        null_as_nan boolean DEFAULT false) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'maas_load_text';
COMMENT ON FUNCTION maas_load(text, text, boolean, text[], boolean) IS
    'loads an ONNX model from bytes as text, ''\x08...'': for literals and parameters that have no type';

CREATE FUNCTION maas_load(name text, object oid, deploy boolean DEFAULT true, labels text[] DEFAULT NULL,
        null_as_nan boolean DEFAULT false) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'maas_load_object';
COMMENT ON FUNCTION maas_load(text, oid, boolean, text[], boolean) IS
    'loads an ONNX model from a large object, also beyond 1 GB; the large object can be removed afterwards';

CREATE FUNCTION maas_load_file(name text, path text, deploy boolean DEFAULT true, labels text[] DEFAULT NULL,
        null_as_nan boolean DEFAULT false) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'maas_load_file';
COMMENT ON FUNCTION maas_load_file(text, text, boolean, text[], boolean) IS
    'loads an ONNX model from a file of the server; needs the rights of pg_read_server_files';

CREATE FUNCTION maas_export(model text) RETURNS bytea
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'maas_export';
COMMENT ON FUNCTION maas_export(text) IS
    'the ONNX bytes of a model as they were loaded; needs the right download';

CREATE FUNCTION maas_export_object(model text) RETURNS oid
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000 AS 'MODULE_PATHNAME', 'maas_export_object';
COMMENT ON FUNCTION maas_export_object(text) IS
    'a new large object with the ONNX bytes of a model, of any size; needs the right download';

-- ---- what the functions below build on ----

CREATE FUNCTION maas.resolve(model text, OUT id bigint, OUT number integer) RETURNS record
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME', 'maas_resolve';
COMMENT ON FUNCTION maas.resolve(text) IS
    'the model and the version that a name like ''churn'', ''churn@4'' or ''churn@canary'' asks for; an error when the caller may not use it';

CREATE FUNCTION maas.require(model text, "right" text) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'maas_require';
COMMENT ON FUNCTION maas.require(text, text) IS
    'the id of the model of this name when the caller has the right (manage or own); otherwise an error';

-- ---- versions ----

CREATE FUNCTION maas_deploy(model text, version integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target CONSTANT bigint := maas.require(model, 'manage');
    known text;
BEGIN
    IF NOT EXISTS (SELECT FROM maas.model_version v WHERE v.model = target AND v.number = version) THEN
        SELECT string_agg(v.number::text, ', ' ORDER BY v.number) INTO known
        FROM maas.model_version v WHERE v.model = target;
        RAISE EXCEPTION 'model "%" has no version %', model, version
            USING ERRCODE = 'undefined_object', HINT = format('It has: %s.', coalesce(known, 'none'));
    END IF;
    UPDATE maas.model m
    SET deployed = version,
        previous = CASE WHEN m.deployed IS NULL THEN m.previous ELSE (array_prepend(m.deployed, m.previous))[1:100] END
    WHERE m.id = target AND m.deployed IS DISTINCT FROM version;
    RETURN version;
END
$$;
COMMENT ON FUNCTION maas_deploy(text, integer) IS
    'makes a version the one that the model''s bare name means, from the end of the transaction on; returns it';

CREATE FUNCTION maas_rollback(model text) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target CONSTANT bigint := maas.require(model, 'manage');
    version integer;
BEGIN
    -- Wait for a deployment that is under way.
    PERFORM FROM maas.model m WHERE m.id = target FOR NO KEY UPDATE;
    UPDATE maas.model m SET deployed = m.previous[1], previous = m.previous[2:]
    WHERE m.id = target AND cardinality(m.previous) > 0
    RETURNING m.deployed INTO version;
    IF version IS NULL THEN
        RAISE EXCEPTION 'model "%" has no earlier deployment to return to', model
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Deploy a version by its number with maas_deploy(model, version).';
    END IF;
    RETURN version;
END
$$;
COMMENT ON FUNCTION maas_rollback(text) IS
    'returns to the version that was deployed before; returns it';

CREATE FUNCTION maas_alias(model text, alias text, version integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    target CONSTANT bigint := maas.require(model, 'manage');
BEGIN
    IF target IS NULL OR alias IS NULL THEN
        RAISE EXCEPTION 'the names of the model and of the alias must not be NULL'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF version IS NULL THEN
        DELETE FROM maas.model_alias a WHERE a.model = target AND a.alias = maas_alias.alias;
        RETURN;
    END IF;
    IF alias !~ '^[^@[:cntrl:]]{1,200}$' OR alias ~ '^[0-9]+$' THEN
        RAISE EXCEPTION '"%" is not a name for an alias', alias
            USING ERRCODE = 'invalid_name', DETAIL = 'A name has 1 to 200 characters, no @, and is not a number.';
    END IF;
    IF NOT EXISTS (SELECT FROM maas.model_version v WHERE v.model = target AND v.number = version) THEN
        RAISE EXCEPTION 'model "%" has no version %', model, version
            USING ERRCODE = 'undefined_object', HINT = 'The view maas.versions lists them.';
    END IF;
    INSERT INTO maas.model_alias (model, alias, number) VALUES (target, alias, version)
    ON CONFLICT ON CONSTRAINT model_alias_pkey DO UPDATE SET number = excluded.number;
END
$$;
COMMENT ON FUNCTION maas_alias(text, text, integer) IS
    'lets model@alias mean a version; NULL as the version removes the alias';

CREATE FUNCTION maas_drop(model text) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target CONSTANT bigint := maas.require(model, 'own');
BEGIN
    DELETE FROM maas.model m WHERE m.id = target;
END
$$;
COMMENT ON FUNCTION maas_drop(text) IS
    'drops a model with all its versions; for its owner';

-- ---- rights ----

CREATE FUNCTION maas.role_of(grantee text) RETURNS oid
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    role CONSTANT oid := to_regrole(quote_ident(grantee));
BEGIN
    IF role IS NULL AND lower(grantee) = 'public' THEN
        RETURN 0;
    END IF;
    IF role IS NULL THEN
        RAISE EXCEPTION 'role "%" does not exist', grantee USING ERRCODE = 'undefined_object';
    END IF;
    RETURN role;
END
$$;
COMMENT ON FUNCTION maas.role_of(text) IS 'the OID of a role by its name; 0 for public';

CREATE FUNCTION maas.check_privilege(privilege text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 100 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF privilege NOT IN ('predict', 'download', 'manage', 'all') THEN
        RAISE EXCEPTION 'there is no right "%"', privilege
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Rights are predict, download, manage and all.';
    END IF;
END
$$;
COMMENT ON FUNCTION maas.check_privilege(text) IS 'an error unless this is the name of a right on models';

CREATE FUNCTION maas_grant(model text, grantee text, privilege text DEFAULT 'predict') RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    target CONSTANT bigint := maas.require(maas_grant.model, 'own');
    role CONSTANT oid := maas.role_of(grantee);
BEGIN
    PERFORM maas.check_privilege(maas_grant.privilege);
    INSERT INTO maas.model_acl (model, owner, grantee, privilege)
    SELECT m.id, m.owner, role, p
    FROM maas.model m, unnest(ARRAY['predict', 'download', 'manage']) p
    WHERE m.id = target AND (p = 'predict' OR maas_grant.privilege IN (p, 'all'))
    ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION maas_grant(text, text, text) IS
    'lets a role (or public) use a model: predict; download: export it too; manage: load and deploy versions too; all';

CREATE FUNCTION maas_revoke(model text, grantee text, privilege text DEFAULT 'all') RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target CONSTANT bigint := maas.require(maas_revoke.model, 'own');
    role CONSTANT oid := maas.role_of(maas_revoke.grantee);
BEGIN
    PERFORM maas.check_privilege(maas_revoke.privilege);
    -- The other rights are worth nothing without predict, so they go with it.
    DELETE FROM maas.model_acl a
    WHERE a.model = target AND a.grantee = role
        AND (maas_revoke.privilege IN ('all', 'predict') OR a.privilege = maas_revoke.privilege);
END
$$;
COMMENT ON FUNCTION maas_revoke(text, text, text) IS
    'takes a right on a model from a role (or public); predict takes the others too';

-- ---- description ----
--
-- The views call functions because a view's own query would run with the rights of the view's owner (until
-- security_invoker of PostgreSQL 15); these are inlined and run with the caller's.

CREATE FUNCTION maas.list_versions() RETURNS TABLE (
        name text, version integer, deployed boolean, aliases text[], owner regrole, sha256 bytea, size bigint,
        inputs jsonb, outputs jsonb, parameters bigint, flops double precision, opset jsonb, producer text,
        labels text[], null_as_nan boolean, metrics jsonb, origin text, created_by regrole,
        created_at timestamp with time zone)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT m.name, v.number, v.number OPERATOR(pg_catalog.=) m.deployed AND m.deployed IS NOT NULL,
            ARRAY(SELECT a.alias FROM maas.model_alias a
                WHERE a.model OPERATOR(pg_catalog.=) m.id AND a.number OPERATOR(pg_catalog.=) v.number
                ORDER BY a.alias),
            m.owner, v.sha256, v.size,
            v.signature OPERATOR(pg_catalog.->) 'inputs'::pg_catalog.text,
            v.signature OPERATOR(pg_catalog.->) 'outputs'::pg_catalog.text,
            (v.signature OPERATOR(pg_catalog.->>) 'parameters'::pg_catalog.text)::pg_catalog.int8,
            (v.signature OPERATOR(pg_catalog.->>) 'flops'::pg_catalog.text)::pg_catalog.float8,
            v.signature OPERATOR(pg_catalog.->) 'opset'::pg_catalog.text,
            v.signature OPERATOR(pg_catalog.->>) 'producer'::pg_catalog.text,
            v.labels, v.null_as_nan, v.metrics, v.origin, v.created_by, v.created_at
        FROM maas.model m JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) m.id;
    END;
COMMENT ON FUNCTION maas.list_versions() IS 'what the view maas.versions shows';

CREATE FUNCTION maas.list_models() RETURNS TABLE (
        name text, owner regrole, deployed integer, versions bigint, sha256 bytea, size bigint,
        inputs jsonb, outputs jsonb, parameters bigint, flops double precision, opset jsonb, producer text,
        created_at timestamp with time zone)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT m.name, m.owner, m.deployed,
            (SELECT pg_catalog.count(*) FROM maas.model_version w WHERE w.model OPERATOR(pg_catalog.=) m.id),
            v.sha256, v.size,
            v.signature OPERATOR(pg_catalog.->) 'inputs'::pg_catalog.text,
            v.signature OPERATOR(pg_catalog.->) 'outputs'::pg_catalog.text,
            (v.signature OPERATOR(pg_catalog.->>) 'parameters'::pg_catalog.text)::pg_catalog.int8,
            (v.signature OPERATOR(pg_catalog.->>) 'flops'::pg_catalog.text)::pg_catalog.float8,
            v.signature OPERATOR(pg_catalog.->) 'opset'::pg_catalog.text,
            v.signature OPERATOR(pg_catalog.->>) 'producer'::pg_catalog.text,
            m.created_at
        FROM maas.model m LEFT JOIN maas.model_version v
            ON v.model OPERATOR(pg_catalog.=) m.id AND v.number OPERATOR(pg_catalog.=) m.deployed;
    END;
COMMENT ON FUNCTION maas.list_models() IS 'what the view maas.models shows';

CREATE VIEW maas.models AS SELECT * FROM maas.list_models();
COMMENT ON VIEW maas.models IS 'the models that you may use, with their deployed versions';
COMMENT ON COLUMN maas.models.flops IS 'floating-point operations for one example';
CREATE VIEW maas.versions AS SELECT * FROM maas.list_versions();
COMMENT ON VIEW maas.versions IS 'the versions of the models that you may use';
COMMENT ON COLUMN maas.versions.flops IS 'floating-point operations for one example';

CREATE FUNCTION maas.images(OUT sha256 bytea, OUT size bigint, OUT shared boolean, OUT mapped boolean,
        OUT last_used timestamp with time zone) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 10000 ROWS 10 AS 'MODULE_PATHNAME', 'maas_images';
COMMENT ON FUNCTION maas.images() IS 'prepared models by content, of the versions that the caller may use';
CREATE VIEW maas.cache AS
    SELECT v.name, v.version, v.sha256, i.size, i.shared, i.mapped, i.last_used
    FROM maas.list_versions() v JOIN maas.images() i ON i.sha256 OPERATOR(pg_catalog.=) v.sha256;
COMMENT ON VIEW maas.cache IS 'the versions of the models that you may use which stand prepared in memory';
COMMENT ON COLUMN maas.cache.size IS 'bytes of the prepared model';
COMMENT ON COLUMN maas.cache.shared IS 'whether all sessions share it; otherwise it is in the memory of this session';
COMMENT ON COLUMN maas.cache.mapped IS 'whether this session has it in use';
COMMENT ON COLUMN maas.cache.last_used IS 'when a session last used it, to about a minute';
GRANT SELECT ON maas.models, maas.versions, maas.cache TO PUBLIC;

CREATE FUNCTION maas_describe(model text) RETURNS jsonb
    LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 2000
    BEGIN ATOMIC
        SELECT pg_catalog.jsonb_build_object(
                'name', m.name, 'version', v.number, 'owner', m.owner::pg_catalog.text, 'deployed', m.deployed,
                'sha256', pg_catalog.encode(v.sha256, 'hex'), 'size', v.size, 'labels', v.labels,
                'null_as_nan', v.null_as_nan, 'metrics', v.metrics, 'origin', v.origin,
                'created_by', v.created_by::pg_catalog.text, 'created_at', v.created_at,
                'aliases', ARRAY(SELECT a.alias FROM maas.model_alias a
                    WHERE a.model OPERATOR(pg_catalog.=) m.id AND a.number OPERATOR(pg_catalog.=) v.number
                    ORDER BY a.alias))
            OPERATOR(pg_catalog.||) v.signature
        FROM maas.resolve(maas_describe.model) r
            JOIN maas.model m ON m.id OPERATOR(pg_catalog.=) r.id
            JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) r.id AND v.number OPERATOR(pg_catalog.=) r.number;
    END;
COMMENT ON FUNCTION maas_describe(text) IS
    'everything that is known of a model or of one version (''churn@4''): inputs, outputs, size, operations, origin';
