-- The catalog: models, their versions and contents, rights.
--
-- Everybody may read what row-level security shows: a model's row is visible to its owner, to the members of the
-- owning role, and to whom maas_grant has given a right.  Who sees the row may predict; the other rights are asked
-- for by name.  Contents (model_chunk) carry no grants and have no policy: the C code reads them after the name was
-- looked up as the caller.  Roles are stored as regrole: a rename does not lose rights, and pg_dump writes names.

CREATE SCHEMA maas;
COMMENT ON SCHEMA maas IS 'catalog and views of the extension maas';
GRANT USAGE ON SCHEMA maas TO PUBLIC;

CREATE TABLE maas.model (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
        CONSTRAINT model_name_form CHECK (name OPERATOR(pg_catalog.~) '^[^@[:cntrl:]]{1,200}$'),
    owner regrole NOT NULL DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(current_user)),
    deployed integer CHECK (deployed OPERATOR(pg_catalog.>) 0),
    previous integer[] NOT NULL DEFAULT '{}',
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (id, owner)
);
COMMENT ON TABLE maas.model IS 'models; the view maas.models shows them with their deployed version';
COMMENT ON COLUMN maas.model.deployed IS 'the version that the bare name means; NULL: none yet';
COMMENT ON COLUMN maas.model.previous IS 'versions that were deployed before, the latest first; maas_rollback returns to them';

CREATE TABLE maas.model_version (
    model bigint NOT NULL REFERENCES maas.model ON DELETE CASCADE,
    number integer NOT NULL CHECK (number OPERATOR(pg_catalog.>) 0),
    sha256 bytea NOT NULL CHECK (pg_catalog.octet_length(sha256) OPERATOR(pg_catalog.=) 32),
    size bigint NOT NULL,
    signature jsonb NOT NULL,
    labels text[],
    null_as_nan boolean NOT NULL DEFAULT false,
    metrics jsonb,
    origin text NOT NULL,
    created_by regrole NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (model, number)
);
CREATE INDEX model_version_sha256 ON maas.model_version (sha256);
COMMENT ON TABLE maas.model_version IS 'versions of models; never changed once they are there; written by maas_load';
COMMENT ON COLUMN maas.model_version.sha256 IS 'of the ONNX bytes';
COMMENT ON COLUMN maas.model_version.signature IS 'inputs, outputs and figures of the model, as maas_describe shows them';
COMMENT ON COLUMN maas.model_version.labels IS 'names of the classes, in the order of the scores, given when the model was loaded';
COMMENT ON COLUMN maas.model_version.null_as_nan IS 'whether a NULL inside of a row or an array is NaN to the model';

CREATE TABLE maas.model_chunk (
    model bigint NOT NULL,
    number integer NOT NULL,
    piece integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (model, number, piece),
    FOREIGN KEY (model, number) REFERENCES maas.model_version ON DELETE CASCADE
);
ALTER TABLE maas.model_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE maas.model_chunk IS 'the ONNX bytes of each version, in pieces; read and written by the extension only';

CREATE TABLE maas.model_alias (
    model bigint NOT NULL REFERENCES maas.model ON DELETE CASCADE,
    alias text COLLATE "C" NOT NULL
        CONSTRAINT model_alias_form CHECK (alias OPERATOR(pg_catalog.~) '^[^@[:cntrl:]]{1,200}$'
            AND alias OPERATOR(pg_catalog.!~) '^[0-9]+$'),
    number integer NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, number) REFERENCES maas.model_version ON DELETE CASCADE
);
COMMENT ON TABLE maas.model_alias IS 'names of versions: ''churn@canary'' means the version with the alias canary';

-- The owner is repeated here, kept equal by the foreign key, so that the policies of this table need not read
-- maas.model, whose policies read this one.
CREATE TABLE maas.model_acl (
    model bigint NOT NULL,
    owner regrole NOT NULL,
    grantee regrole NOT NULL,
    privilege text NOT NULL
        CHECK (privilege OPERATOR(pg_catalog.=) ANY (ARRAY['predict', 'download', 'manage']::pg_catalog.text[])),
    grantor regrole NOT NULL DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(current_user)),
    PRIMARY KEY (model, grantee, privilege),
    FOREIGN KEY (model, owner) REFERENCES maas.model (id, owner) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE maas.model_acl IS 'rights on models, given by maas_grant and taken by maas_revoke';
COMMENT ON COLUMN maas.model_acl.grantee IS 'a role; - stands for PUBLIC';

-- ---- policies ----

ALTER TABLE maas.model ENABLE ROW LEVEL SECURITY;
ALTER TABLE maas.model_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE maas.model_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE maas.model_alias ENABLE ROW LEVEL SECURITY;
ALTER TABLE maas.model_acl ENABLE ROW LEVEL SECURITY;

GRANT SELECT, INSERT (name), UPDATE (deployed, previous), DELETE ON maas.model TO PUBLIC;
GRANT SELECT ON maas.model_version TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (number), DELETE ON maas.model_alias TO PUBLIC;
GRANT SELECT, INSERT (model, owner, grantee, privilege), DELETE ON maas.model_acl TO PUBLIC;

CREATE POLICY see ON maas.model_acl FOR SELECT USING (
    pg_catalog.pg_has_role(owner, 'USAGE')
    OR grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid
    OR pg_catalog.pg_has_role(grantee, 'USAGE'));
CREATE POLICY give ON maas.model_acl FOR INSERT WITH CHECK (pg_catalog.pg_has_role(owner, 'USAGE'));
CREATE POLICY take ON maas.model_acl FOR DELETE USING (pg_catalog.pg_has_role(owner, 'USAGE'));

CREATE POLICY see ON maas.model FOR SELECT USING (
    pg_catalog.pg_has_role(owner, 'USAGE')
    OR EXISTS (SELECT FROM maas.model_acl a
        WHERE a.model OPERATOR(pg_catalog.=) id
            AND (a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))));
CREATE POLICY create_own ON maas.model FOR INSERT WITH CHECK (
    owner OPERATOR(pg_catalog.=) pg_catalog.to_regrole(pg_catalog.quote_ident(current_user))::pg_catalog.oid);
CREATE POLICY manage ON maas.model FOR UPDATE USING (
    pg_catalog.pg_has_role(owner, 'USAGE')
    OR EXISTS (SELECT FROM maas.model_acl a
        WHERE a.model OPERATOR(pg_catalog.=) id
            AND a.privilege OPERATOR(pg_catalog.=) 'manage'
            AND (a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))));
CREATE POLICY remove ON maas.model FOR DELETE USING (pg_catalog.pg_has_role(owner, 'USAGE'));

-- Whether the caller has a right on a model.
CREATE FUNCTION maas.may(model bigint, privilege text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 100
    BEGIN ATOMIC
        SELECT EXISTS (SELECT FROM maas.model m
            WHERE m.id OPERATOR(pg_catalog.=) may.model
                AND (pg_catalog.pg_has_role(m.owner, 'USAGE')
                    OR EXISTS (SELECT FROM maas.model_acl a
                        WHERE a.model OPERATOR(pg_catalog.=) may.model
                            AND a.privilege OPERATOR(pg_catalog.=) may.privilege
                            AND (a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                                OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))));
    END;
COMMENT ON FUNCTION maas.may(bigint, text) IS
    'whether the caller owns the model or was granted the right (predict, download or manage) on it';

-- A version and an alias are seen by whom the model's own policies show the model.
CREATE POLICY see ON maas.model_version FOR SELECT USING (
    EXISTS (SELECT FROM maas.model m WHERE m.id OPERATOR(pg_catalog.=) model));
CREATE POLICY see ON maas.model_alias FOR SELECT USING (
    EXISTS (SELECT FROM maas.model m WHERE m.id OPERATOR(pg_catalog.=) model));
CREATE POLICY manage_insert ON maas.model_alias FOR INSERT WITH CHECK (maas.may(model, 'manage'));
CREATE POLICY manage_update ON maas.model_alias FOR UPDATE USING (maas.may(model, 'manage'));
CREATE POLICY manage_delete ON maas.model_alias FOR DELETE USING (maas.may(model, 'manage'));

-- ---- answers that the planner keeps ----

CREATE FUNCTION maas.rights_changed() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'maas_rights_changed';
COMMENT ON FUNCTION maas.rights_changed() IS
    'drops, in every session, plans that hold a prediction computed while planning';
CREATE TRIGGER rights_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON maas.model
    FOR EACH STATEMENT EXECUTE FUNCTION maas.rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON maas.model_version
    FOR EACH STATEMENT EXECUTE FUNCTION maas.rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON maas.model_acl
    FOR EACH STATEMENT EXECUTE FUNCTION maas.rights_changed();

-- Also where changes arrive by logical replication.
ALTER TABLE maas.model ENABLE ALWAYS TRIGGER rights_changed;
ALTER TABLE maas.model_version ENABLE ALWAYS TRIGGER rights_changed;
ALTER TABLE maas.model_acl ENABLE ALWAYS TRIGGER rights_changed;

-- ---- prepared models of versions that are gone ----

CREATE FUNCTION maas.version_removed() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'maas_version_removed';
COMMENT ON FUNCTION maas.version_removed() IS 'removes the prepared model that sessions share when its last version is gone';
CREATE TRIGGER version_removed AFTER DELETE ON maas.model_version
    FOR EACH ROW EXECUTE FUNCTION maas.version_removed();
ALTER TABLE maas.model_version ENABLE ALWAYS TRIGGER version_removed;

-- ---- dumps: the tables are the users' data ----

SELECT pg_catalog.pg_extension_config_dump('maas.model', '');
SELECT pg_catalog.pg_extension_config_dump('maas.model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('maas.model_version', '');
SELECT pg_catalog.pg_extension_config_dump('maas.model_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('maas.model_alias', '');
-- Not the rights of roles that were dropped: their numbers may be other roles' where the dump is restored.
SELECT pg_catalog.pg_extension_config_dump('maas.model_acl',
    'WHERE grantee::pg_catalog.oid OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) grantee::pg_catalog.oid)');
