-- Tensors as text: every form reads back as itself, and malformed text names the position.
\set SHOW_CONTEXT never

-- The default type is float; a type in front picks another.
SELECT '[[1,2],[3,4]]'::tensor;
SELECT 'int64:[1,2]'::tensor, 'double:[0.1,0.2]'::tensor, 'bool:[true,false]'::tensor, 'string:["a","b"]'::tensor;
SELECT t, maas_dtype(t), maas_shape(t)
FROM (VALUES ('7'::tensor), ('[7]'), ('[[7]]'), ('[]'), ('[[],[]]'), ('float(0,3):[]'), ('int32(2,0,4):[]'), ('double:7'),
             ('string:"x"'), ('bool:true')) AS v (t);

-- Every element type.
SELECT d, (d || ':[0,1]')::tensor::text AS t, maas_dtype((d || ':[0,1]')::tensor) = d AS same
FROM unnest('{float,double,float16,bfloat16,int8,int16,int32,int64,uint8,uint16,uint32,uint64,float8e4m3fn,float8e4m3fnuz,float8e5m2,float8e5m2fnuz,uint4,int4,float4e2m1,uint2,int2}'::text[]) AS d;
SELECT 'complex64:[[1,2],[3,4]]'::tensor, maas_shape('complex64:[[1,2],[3,4]]'), 'complex128:[1,-1]'::tensor;
-- PostgreSQL's names of types are understood.
SELECT maas_dtype('real:[1]'), maas_dtype('float8:[1]'), maas_dtype('double precision:[1]'), maas_dtype('bigint:[1]'),
       maas_dtype('integer:[1]'), maas_dtype('smallint:[1]'), maas_dtype('boolean:[true]'), maas_dtype('text:["a"]');

-- Limits of the integers, digits of the floating-point numbers, signs of zero, numbers that are none.
SELECT 'int64:[-9223372036854775808,9223372036854775807]'::tensor, 'uint64:[18446744073709551615]'::tensor,
       'int8:[-128,127]'::tensor, 'int4:[-8,7]'::tensor, 'uint2:[0,3]'::tensor;
SELECT '[0.1,16777217,1e-45,3.4028235e38,1e10,123456.789,-0]'::tensor;
SELECT 'double:[0.1,1e-320,5e-324,1.7976931348623157e308,9007199254740993,-0]'::tensor;
SELECT '[NaN,Infinity,-Infinity]'::tensor, 'double:[NaN,Infinity,-Infinity]'::tensor, 'float16:[NaN,Infinity,-Infinity]'::tensor,
       'bfloat16:[NaN,-Infinity]'::tensor;
SELECT '[[NaN]]'::tensor::text::tensor = '[[NaN]]'::tensor;
SELECT '  [ [ 1 , 2 ] ,
  [ 3 , 4 ] ]  '::tensor;

-- Strings with JSON's escapes, and with every character.
SELECT 'string:["","a\"b","back\\slash","tab\tnew\nline","\u00e9\u20ac"]'::tensor;
SELECT ('string:["é€😀"]'::tensor::text[])[1] = 'é€😀';
SELECT 'string(2,0):[]'::tensor, maas_shape('string(2,0):[]');

-- What is malformed is refused with its place.
SELECT ''::tensor;
SELECT '['::tensor;
SELECT '[1,2'::tensor;
SELECT '[1,2]]'::tensor;
SELECT '[1,,2]'::tensor;
SELECT '[1,2,]'::tensor;
SELECT '[1 2]'::tensor;
SELECT '[[1,2],[3]]'::tensor;
SELECT '[[1,2],3]'::tensor;
SELECT '[1,[2]]'::tensor;
SELECT '[1,x]'::tensor;
SELECT '[1,null]'::tensor;
SELECT '[1,"a"]'::tensor;
SELECT '["a",1]'::tensor;
SELECT '[true,1]'::tensor;
SELECT 'float:[true]'::tensor;
SELECT 'bool:[2]'::tensor;
SELECT 'float16x:[1]'::tensor;
SELECT 'int32:[1.9]'::tensor;
SELECT 'int32:[2147483648]'::tensor;
SELECT 'int64:[9223372036854775808]'::tensor;
SELECT 'uint8:[-1]'::tensor;
SELECT 'int8:[NaN]'::tensor;
SELECT 'int4:[8]'::tensor;
SELECT 'string:["a]'::tensor;
SELECT 'string:["\x"]'::tensor;
SELECT 'string:["\ud800"]'::tensor;
SELECT 'float(2,3):[1]'::tensor;
SELECT 'float(-1):[]'::tensor;
SELECT 'float(0,9223372036854775807,9223372036854775807):[]'::tensor;
SELECT 'float(4611686018427387904,4):[]'::tensor;
SELECT repeat('[', 17)::tensor;
SELECT (repeat('[', 100000) || repeat(']', 100000))::tensor;
SELECT (repeat('[', 16) || '1' || repeat(']', 16))::tensor;

-- Function forms.
SELECT maas_reshape('[1,2,3,4,5,6]', '{2,3}'), maas_reshape('[1]', '{}'), maas_reshape('[]', '{3,0}');
SELECT maas_reshape('[1,2,3]', '{2,2}');
SELECT maas_reshape('[1,2,3]', '{-1}');
SELECT maas_reshape('[1,2,3]', '{1,NULL}');
SELECT maas_reshape('[1]', array_fill(1, '{17}'));
SELECT maas_cast('[1,2]', 'int64'), maas_cast('[1.5,-1.5]', 'int64', false), maas_cast('bool:[true,false]', 'float'),
       maas_cast('int64:[0,5]', 'bool', false), maas_cast('[0.1]', 'double'), maas_cast('double:[0.1]', 'float16');
SELECT maas_cast('[1,1.9]', 'int64');
SELECT maas_cast('int32:[[1,2],[300,4]]', 'uint8');
SELECT maas_cast('[1,NaN]', 'int32');
SELECT maas_cast('[1]', 'number');
