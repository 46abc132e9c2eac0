-- Tensors as jsonb.
\set SHOW_CONTEXT never

SELECT '[[1,2.5],[-3,0]]'::tensor::jsonb, 'int64:[9007199254740993]'::tensor::jsonb, 'bool:[true,false]'::tensor::jsonb, 'string:["a","\"é"]'::tensor::jsonb,
       '5'::tensor::jsonb, '[]'::tensor::jsonb, '[[],[]]'::tensor::jsonb;
SELECT '[NaN,Infinity,-Infinity,1e-30,0.1]'::tensor::jsonb, 'double:[0.1,1e300,NaN]'::tensor::jsonb;
SELECT '[[1,2.5],[-3,0]]'::jsonb::tensor, '[true,false]'::jsonb::tensor, '["a","b"]'::jsonb::tensor, '5'::jsonb::tensor, '"x"'::jsonb::tensor, '[]'::jsonb::tensor;
SELECT '["NaN",1,"-Infinity"]'::jsonb::tensor, '[["Infinity"]]'::jsonb::tensor;
SELECT maas_tensor('[1,2]'::jsonb, 'int64'), maas_tensor('[9007199254740993]'::jsonb, 'int64'), maas_tensor('["NaN"]'::jsonb, 'string'), maas_tensor('[0.1]'::jsonb, 'double');
SELECT t, t::jsonb::tensor = t AS same
FROM unnest('{"[NaN,Infinity,-Infinity,0.1]","[[1,2],[3,4]]","string:[\"a\",\"\"]","bool:[[true],[false]]","7"}'::tensor[]) AS t;
SELECT NULL::jsonb::tensor IS NULL, NULL::tensor::jsonb IS NULL;

SELECT '[1,"a"]'::jsonb::tensor;
SELECT '[1,true]'::jsonb::tensor;
SELECT '[true,1]'::jsonb::tensor;
SELECT '[1,null]'::jsonb::tensor;
SELECT 'null'::jsonb::tensor;
SELECT '{"a":1}'::jsonb::tensor;
SELECT '[{"a":1}]'::jsonb::tensor;
SELECT '[[1,2],[3]]'::jsonb::tensor;
SELECT '[[1,2],3]'::jsonb::tensor;
SELECT '[1,[2]]'::jsonb::tensor;
SELECT maas_tensor('[1.9]'::jsonb, 'int32');
SELECT maas_tensor('[300]'::jsonb, 'uint8');
SELECT maas_tensor('["NaN"]'::jsonb, 'int32');
SELECT maas_tensor('[1]'::jsonb, 'nonsense');
SELECT '[1e400]'::jsonb::tensor;
SELECT (repeat('[', 17) || '1' || repeat(']', 17))::jsonb::tensor;
