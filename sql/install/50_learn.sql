-- Models that are made here: from an architecture, and from data.
--
-- All of these run with the caller's rights; maas.model's policies decide.

CREATE FUNCTION maas_create(name text, architecture jsonb, seed bigint DEFAULT NULL, deploy boolean DEFAULT true)
    RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'maas_create';
COMMENT ON FUNCTION maas_create(text, jsonb, bigint, boolean) IS
    'makes a model of the layers that the architecture lists, with weights that have learned nothing yet, and returns the version; the same seed makes the same weights';

CREATE FUNCTION maas_evaluate(model text, query text, target text, options jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'maas_evaluate';
COMMENT ON FUNCTION maas_evaluate(text, text, text, jsonb) IS
    'how well a model does on the rows of a query, run as you: loss, accuracy, precision, recall, areas under curves and more, or the errors of numbers; options: top_k, bins, quantile, weight_column';

CREATE TABLE maas.training_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text COLLATE "C" NOT NULL,
    version integer,
    owner regrole NOT NULL,
    query text NOT NULL,
    target text NOT NULL,
    architecture jsonb,
    options jsonb NOT NULL,
    seed bigint,
    epochs jsonb NOT NULL DEFAULT '[]',
    seconds double precision,
    seconds_reading double precision,
    seconds_learning double precision,
    status text NOT NULL DEFAULT 'done'
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['running', 'done', 'failed']::pg_catalog.text[])),
    error text,
    pid integer,
    begun_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    ended_at timestamp with time zone
);
COMMENT ON TABLE maas.training_run IS 'trainings; the view maas.training_runs shows those of your roles';
COMMENT ON COLUMN maas.training_run.epochs IS 'for each epoch its loss, the loss and accuracy on the rows kept apart, and the seconds it took';
COMMENT ON COLUMN maas.training_run.seconds_reading IS 'seconds of all until rows were batches: the query, what is learned of its columns, preparing, shuffling';
COMMENT ON COLUMN maas.training_run.seconds_learning IS 'seconds of all that went into steps; the rest is the network and the rows kept apart';
ALTER TABLE maas.training_run ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON maas.training_run TO PUBLIC;
CREATE POLICY see ON maas.training_run FOR SELECT USING (pg_catalog.pg_has_role(owner, 'USAGE'));
SELECT pg_catalog.pg_extension_config_dump('maas.training_run', '');
SELECT pg_catalog.pg_extension_config_dump('maas.training_run_id_seq', '');

-- A function, so that the caller's rights decide: see maas.list_models.
CREATE FUNCTION maas.list_training_runs() RETURNS TABLE (
        id bigint, model text, version integer, owner regrole, status text, error text, query text, target text,
        architecture jsonb, options jsonb, seed bigint, epochs jsonb, seconds double precision,
        seconds_reading double precision, seconds_learning double precision,
        begun_at timestamp with time zone, ended_at timestamp with time zone)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT r.id, r.model, r.version, r.owner,
            CASE WHEN r.status OPERATOR(pg_catalog.=) 'running'
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(r.pid) a -- the number may be another's by now
                    WHERE a.backend_start OPERATOR(pg_catalog.>) r.begun_at IS NOT TRUE)
            THEN 'killed' ELSE r.status END, r.error, r.query, r.target, r.architecture, r.options, r.seed,
            r.epochs, r.seconds, r.seconds_reading, r.seconds_learning, r.begun_at, r.ended_at
        FROM maas.training_run r;
    END;
COMMENT ON FUNCTION maas.list_training_runs() IS 'what the view maas.training_runs shows';
CREATE VIEW maas.training_runs AS SELECT * FROM maas.list_training_runs();
COMMENT ON VIEW maas.training_runs IS 'trainings by your roles: what was asked for, each epoch, the version that came of it';
GRANT SELECT ON maas.training_runs TO PUBLIC;

CREATE FUNCTION maas_train(name text, query text, target text, architecture jsonb DEFAULT NULL, options jsonb DEFAULT NULL,
        deploy boolean DEFAULT true, background boolean DEFAULT false) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000000 AS 'MODULE_PATHNAME', 'maas_train';
COMMENT ON FUNCTION maas_train(text, text, text, jsonb, jsonb, boolean, boolean) IS
    'trains a model on the rows of a query, run as you: target is the column that is learned, all others are what it is learned from; returns the version, the architecture and how well it does on rows kept apart; background => true: a worker does it as you';

CREATE FUNCTION maas.list_training_progress() RETURNS TABLE (
        pid integer, model text, owner regrole, epoch bigint, epochs bigint, step bigint, steps bigint, rows bigint,
        loss double precision, validation_loss double precision, rows_per_second double precision,
        seconds_left double precision, begun_at timestamp with time zone, told_at timestamp with time zone)
    LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000 ROWS 10 AS 'MODULE_PATHNAME', 'maas_list_training_progress';
COMMENT ON FUNCTION maas.list_training_progress() IS 'what the view maas.training_progress shows';
CREATE VIEW maas.training_progress AS SELECT * FROM maas.list_training_progress();
COMMENT ON VIEW maas.training_progress IS 'trainings by your roles that run now, in any session of this database';
COMMENT ON COLUMN maas.training_progress.loss IS 'mean loss of the epoch so far';
COMMENT ON COLUMN maas.training_progress.validation_loss IS 'loss on the rows kept apart, after the last epoch';
GRANT SELECT ON maas.training_progress TO PUBLIC;


CREATE FUNCTION maas_fine_tune(model text, query text, target text, options jsonb DEFAULT NULL, deploy boolean DEFAULT true,
        background boolean DEFAULT false) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000000 AS 'MODULE_PATHNAME', 'maas_fine_tune';
COMMENT ON FUNCTION maas_fine_tune(text, text, text, jsonb, boolean, boolean) IS
    'trains a model that is there, imported ones too, further on the rows of a query, run as you, and adds the next version; options as for maas_train, and "freeze": names of parameters, or "all but last"';
