-- Loading, versions, deploying, aliases, export, description.
\set ECHO none
\i src/test/psql/models.psql
\set ECHO all
\set SHOW_CONTEXT never
SELECT maas_load('m', :'linear'::bytea);
SELECT name, owner, deployed, versions, size, inputs, outputs, parameters, flops, opset, producer FROM maas.models;
SELECT name, version, deployed, aliases, size, sha256 = sha256(:'linear'::bytea) AS sha256, labels, null_as_nan, origin,
    created_by FROM maas.versions;
SELECT maas_describe('m') - 'created_at';
SELECT maas_export('m') = :'linear'::bytea AS same;

-- The next version is deployed, unless it is held back.
SELECT maas_load('m', :'linear2', deploy => false);
SELECT maas_predict('m', '[1,2,3]'), maas_predict('m@2', '[1,2,3]');
SELECT maas_deploy('m', 2), maas_predict('m', '[1,2,3]');
SELECT maas_predict('m', '[1,2,3]');
SELECT maas_rollback('m');
SELECT maas_predict('m', '[1,2,3]');
SELECT maas_rollback('m');
SELECT maas_load('m', :'linear2');
SELECT maas_predict('m', '[1,2,3]'), maas_predict('m@1', '[1,2,3]'), maas_predict('m@3', '[1,2,3]');
SELECT name, version, deployed FROM maas.versions ORDER BY version;
SELECT maas_deploy('m', 4);
SELECT maas_deploy('m', NULL);
SELECT maas_deploy('m', 3);
SELECT deployed, previous FROM maas.model;
-- Abort undoes it.
BEGIN;
SELECT maas_deploy('m', 1), maas_load('other', :'linear');
SELECT maas_predict('m', '[1,2,3]'), maas_predict('other', '[1,2,3]');
ROLLBACK;
SELECT maas_predict('m', '[1,2,3]');
SELECT maas_predict('other', '[1,2,3]');
BEGIN;
SAVEPOINT s;
SELECT maas_deploy('m', 1);
ROLLBACK TO s;
SELECT maas_predict('m', '[1,2,3]');
COMMIT;
-- Held back from the start.
SELECT maas_load('later', :'linear', deploy => false);
SELECT maas_predict('later', '[1,2,3]');
SELECT maas_predict('later@1', '[1,2,3]');
SELECT maas_deploy('later', 1);
SELECT maas_predict('later', '[1,2,3]');
SELECT deployed, previous FROM maas.model WHERE name = 'later';

-- Aliases.
SELECT maas_alias('m', 'canary', 2);
SELECT maas_predict('m@canary', '[1,2,3]'), maas_describe('m@canary') -> 'aliases';
SELECT maas_alias('m', 'canary', 1);
SELECT maas_predict('m@canary', '[1,2,3]');
SELECT maas_alias('m', 'canary', NULL);
SELECT maas_predict('m@canary', '[1,2,3]');
SELECT maas_alias('m', 'canary', 9);
SELECT maas_alias('m', '7', 1);
SELECT maas_alias('m', 'a@b', 1);
SELECT maas_alias('m', NULL, 1);

-- Dropped, and loaded again under its name.
SELECT maas_drop('m');
SELECT maas_predict('m', '[1,2,3]');
SELECT count(*) FROM maas.model_version WHERE model NOT IN (SELECT id FROM maas.model);
SELECT count(*) FROM maas.model_chunk WHERE model NOT IN (SELECT id FROM maas.model);
SELECT maas_load('m', :'sum');
SELECT maas_predict('m', '[1,2,3]');
SELECT maas_predict('m@2', '[1,2,3]');
SELECT maas_drop('m@1');
SELECT maas_drop('nothing');
SELECT maas_deploy('m@1', 1);

-- Names.
SELECT maas_load('', :'linear');
SELECT maas_load('a@b', :'linear');
SELECT maas_load(repeat('x', 201), :'linear');
SELECT maas_load(E'tab\t', :'linear');
SELECT maas_load(NULL, :'linear');
SELECT maas_load('m', NULL::bytea);
SELECT maas_load('Größe; DROP TABLE maas.model; --''"', :'linear');
SELECT maas_predict('Größe; DROP TABLE maas.model; --''"', '[1,2,3]');
SELECT maas_grant('Größe; DROP TABLE maas.model; --''"', 'public');
SELECT maas_drop('Größe; DROP TABLE maas.model; --''"');

-- The other ways in.
SELECT maas_load('text', '/no/such/file.onnx');
SELECT lo_from_bytea(0, :'linear') AS object \gset
SELECT maas_load('object', :object::oid);
SELECT maas_predict('object', '[1,2,3]'), maas_export('object') = :'linear'::bytea AS same;
SELECT lo_unlink(:object) = 1 AS unlinked;
SELECT maas_load('object', 4000000000::oid);
SELECT maas_load_file('file', '/no/such/file.onnx');
SELECT maas_load_file('file', '/tmp');
SELECT maas_load_file('file', 'PG_VERSION');
PREPARE untyped AS SELECT maas_load('prepared', $1);
EXECUTE untyped(:'linear');

-- The same content twice, pinned by its hash.
SELECT maas_predict_at(sha256(:'linear'), '[1,2,3]'), maas_predict_at(sha256(:'sum'), '[1,2,3]', 'squares');
SELECT maas_predict_at('\x00', '[1,2,3]');
SELECT maas_predict_at(sha256('nothing'), '[1,2,3]');
CREATE TABLE generated (f tensor, s tensor GENERATED ALWAYS AS
    (maas_predict_at('\x0000000000000000000000000000000000000000000000000000000000000000', f)) STORED);
INSERT INTO generated VALUES ('[1,2,3]');
DROP TABLE generated;
DO $$ BEGIN
    EXECUTE format('CREATE TABLE generated (f tensor, s tensor GENERATED ALWAYS AS (maas_predict_at(%L, f)) STORED)',
        (SELECT sha256 FROM maas.versions WHERE name = 'm'));
    EXECUTE format('CREATE INDEX ON generated (((maas_predict_at(%L, f))::real[]))',
        (SELECT sha256 FROM maas.versions WHERE name = 'm'));
END $$;
INSERT INTO generated VALUES ('[1,2,3]'), ('[4,5,6]');
SELECT * FROM generated;
DROP TABLE generated;

-- A model of 5 MB, most of it a field that ONNX does not know, is stored in three pieces.
SELECT maas_load('large', :'linear'::bytea || '\x9a068080c002'::bytea || decode(repeat('00', 5242880), 'hex'));
SELECT count(*), max(length(data)), pg_size_pretty(sum(length(data))) FROM maas.model_chunk c JOIN maas.model m ON m.id = c.model
    WHERE name = 'large';
SELECT sha256(maas_export('large')) = sha256 AS same, size FROM maas.models WHERE name = 'large';
-- Pieces that were damaged on the disk are noticed when the model is prepared.
UPDATE maas.model_chunk c SET data = set_byte(data, 1000, 1) FROM maas.model m
    WHERE m.id = c.model AND m.name = 'large' AND piece = 1;
SELECT maas_export('large');
UPDATE maas.model_chunk c SET piece = 7 FROM maas.model m WHERE m.id = c.model AND m.name = 'large' AND piece = 1;
SELECT maas_export('large');

SELECT count(maas_drop(name)) FROM maas.models;

-- Whether rows may be predicted together, or what in the model forbids it.
BEGIN;
SELECT maas_load('sum', :'sum'), maas_load('total', :'total'), maas_load('square', :'square'),
    maas_load('one_only', :'one_only'), maas_load('scalar', :'scalar'), maas_load('zipmap', :'zipmap'),
    maas_load('columns', :'columns'), maas_load('sequence', :'sequence'), maas_load('zeros', :'zeros');
SELECT name, maas_describe(name) -> 'batching' AS batching FROM maas.models ORDER BY name;
ROLLBACK;
