-- Models from the JSON of an architecture.
\set SHOW_CONTEXT never
SELECT maas_create('sequence', '{"layers":[{"embedding":[10000,128]},{"lstm":64},{"dense":10,"activation":"softmax"}]}', seed => 1);
SELECT maas_describe('sequence') -> 'inputs' AS inputs, maas_describe('sequence') -> 'outputs' AS outputs,
    maas_describe('sequence') -> 'parameters' AS parameters, maas_describe('sequence') ->> 'origin' AS origin;
SELECT round(sum(x)::numeric, 5) FROM unnest(maas_predict('sequence', '{1,2,3,4}'::bigint[])::real[]) x;
-- The same seed makes the same model; without one every model is another.
SELECT maas_create('sequence', '{"layers":[{"embedding":[10000,128]},{"lstm":64},{"dense":10,"activation":"softmax"}]}', seed => 1);
SELECT maas_create('sequence', '{"layers":[{"embedding":[10000,128]},{"lstm":64},{"dense":10,"activation":"softmax"}]}', deploy => false);
SELECT count(DISTINCT sha256) FROM maas.versions WHERE name = 'sequence';
SELECT version, deployed FROM maas.versions WHERE name = 'sequence' ORDER BY version;
-- Inputs by name, an image, a block with a shortcut.
SELECT maas_create('several', '{"inputs":{"image":[1,8,8],"age":[1]},"layers":[
    {"conv2d":[8,3],"padding":"same","activation":"relu","input":"image"},
    {"residual":[{"conv2d":[8,3],"padding":"same"},"batch_norm"],"activation":"relu"},
    "global_average_pooling2d", {"dense":4,"name":"seen"}, {"concat":["seen","age"]}, {"dense":1,"activation":"sigmoid"}]}');
SELECT maas_describe('several') -> 'inputs';
SELECT jsonb_array_length(maas_predict('several', jsonb_build_object('image', array_fill(0.5, ARRAY[1,1,8,8]),
    'age', '[[40]]'::jsonb)) -> 'output');
-- Everything that does not fit names its layer.
SELECT maas_create('wrong', '{"input":[4],"layers":[{"dnse":10}]}');
SELECT maas_create('wrong', '{"input":[4],"layers":[{"dense":10,"activtion":"relu"}]}');
SELECT maas_create('wrong', '{"input":[4],"layers":[{"dense":10,"activation":"rleu"}]}');
SELECT maas_create('wrong', '{"input":[4],"layers":[{"dense":10},{"lstm":4}]}');
SELECT maas_create('wrong', '{"input":[28,28],"layers":[{"conv2d":[8,3]}]}');
SELECT maas_create('wrong', '{"input":[1,4,4],"layers":[{"conv2d":[8,5]}]}');
SELECT maas_create('wrong', '{"input":[20,16],"layers":[{"transformer_encoder":[64,3]}]}');
SELECT maas_create('wrong', '{"inputs":{"a":[4],"b":[5]},"layers":[{"add":["a","b"]}]}');
SELECT maas_create('wrong', '{"inputs":{"a":[4],"b":[5]},"layers":[{"dense":4}]}');
SELECT maas_create('wrong', '{"layers":[{"dense":4}]}');
SELECT maas_create('wrong', '{"layrs":[{"dense":4}]}');
SELECT maas_create('wrong', '{"input":[4],"layers":[{"embedding":[1000000000000,1000000000000]}]}');
SELECT maas_create('wrong', '[1]');
SELECT maas_create('wrong', NULL);
SELECT maas_create(NULL, '{}');
SELECT count(*) FROM maas.models WHERE name = 'wrong';
-- Cancelled at once, though the weights would take a long time.
SET statement_timeout = '100ms';
DO $$
DECLARE
    begun CONSTANT timestamptz := clock_timestamp();
BEGIN
    PERFORM maas_create('slow', '{"input":[1,4],"layers":[{"lstm":4000}]}');
EXCEPTION WHEN query_canceled THEN
    RAISE NOTICE 'cancelled in time: %', clock_timestamp() - begun < interval '2 s';
END
$$;
RESET statement_timeout;
SELECT maas_drop('sequence'), maas_drop('several');
