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
