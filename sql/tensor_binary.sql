-- Tensors as bytes: elements, ONNX, the wire format; a hostile client gets an error.
\set SHOW_CONTEXT never

SELECT maas_tensor('\x0000803f00000040', 'float', '{2}'), maas_tensor('\x0000803f00000040', 'float', '{2,1}'),
       maas_tensor('\x00', 'bool', '{}'), maas_tensor('\x', 'double', '{0,3}'), maas_tensor('\x0100000000000000ffffffffffffffff', 'int64', '{2}'),
       maas_tensor('\x003c', 'float16', '{1}'), maas_tensor('\x803f', 'bfloat16', '{1}'), maas_tensor('\x01ff', 'int4', '{2}');
SELECT maas_tensor_data('[1,2]'), maas_tensor_data('int16:[1,-1]'), maas_tensor_data('bool:[true,false]'), maas_tensor_data('[]'), maas_tensor_data('int4:[-1,7]');
SELECT maas_tensor(maas_tensor_data('[[NaN,Infinity],[-0,1]]'), 'float', '{2,2}');
SELECT bool_and(maas_tensor(maas_tensor_data(t), maas_dtype(t), maas_shape(t)) = t)
FROM (SELECT (d || ':[[0,1],[1,0]]')::tensor AS t
      FROM unnest('{float,double,float16,bfloat16,int8,int16,int32,int64,uint8,uint16,uint32,uint64,float8e4m3fn,float8e5m2,uint4,int4,float4e2m1,uint2,int2}'::text[]) AS d) AS s;

SELECT maas_tensor('\x0000803f', 'float', '{2}');
SELECT maas_tensor('\x0000803f00', 'float', '{1}');
SELECT maas_tensor('\x', 'float', '{}');
SELECT maas_tensor('\x02', 'bool', '{1}');
SELECT maas_tensor('\x08', 'int4', '{1}');
SELECT maas_tensor('\x10', 'uint4', '{1}');
SELECT maas_tensor('\x', 'string', '{0}');
SELECT maas_tensor('\x', 'nonsense', '{0}');
SELECT maas_tensor('\x', 'float', '{-1}');
SELECT maas_tensor('\x', 'float', '{2147483647,2147483647,2147483647}');
SELECT maas_tensor('\x', 'float', '{0,2147483647,2147483647,2147483647}');
SELECT maas_tensor('\x', 'float', '{{1,2},{3,4}}');
SELECT maas_tensor('\x', 'float', '{NULL}');
SELECT maas_tensor('\x00', 'int8', array_fill(1, '{17}'));
SELECT maas_tensor_data('string:["a"]');

-- ONNX: a TensorProto {dims: 2, data_type: FLOAT, raw_data} and what it looks like when we write it.
SELECT maas_tensor_from_onnx('\x080210014a080000803f00000040');
SELECT bool_and(maas_tensor_from_onnx(maas_tensor_to_onnx(t)) = t)
FROM (SELECT (d || ':[[0,1],[1,0]]')::tensor AS t
      FROM unnest('{float,double,float16,bfloat16,int8,int16,int32,int64,uint8,uint16,uint32,uint64,float8e4m3fn,float8e5m2,uint4,int4,float4e2m1,uint2,int2}'::text[]) AS d
      UNION ALL SELECT t::tensor FROM unnest('{"string:[\"a\",\"\"]","[NaN,-Infinity]","5","float(0,2):[]","bool:[true]","complex64:[[1,2]]"}'::text[]) AS t) AS s;
SELECT maas_tensor_from_onnx('\x');
SELECT maas_tensor_from_onnx('\xff');
SELECT maas_tensor_from_onnx('\x080210014a040000803f');
SELECT maas_tensor_from_onnx('\x08ffffffffffffffff7f10014a00');
SELECT maas_tensor_from_onnx('\x080110634a0400000000');
-- Bytes that are no text cannot become a string tensor.
SELECT maas_tensor_from_onnx('\x08011008' || '\x3202fffe'::bytea);

-- The wire format: what is sent is received.
CREATE TEMP TABLE sent (i serial, t tensor);
INSERT INTO sent (t)
SELECT (d || ':[[0,1,1],[1,0,1]]')::tensor
FROM unnest('{float,double,float16,bfloat16,int8,int16,int32,int64,uint8,uint16,uint32,uint64,float8e4m3fn,float8e4m3fnuz,float8e5m2,float8e5m2fnuz,uint4,int4,float4e2m1,uint2,int2}'::text[]) AS d;
INSERT INTO sent (t) VALUES ('[NaN,Infinity,-Infinity,-0]'), ('5'), ('[]'), ('float(2,0):[]'), ('string:[["a","é"],["","\n"]]'), ('bool:[true,false]'),
                            ('complex128:[[1,2],[3,4]]'), (NULL), ('string(0):[]'), ('[[[[[[[[1]]]]]]]]'), ('float8e8m0:[1,2]');
INSERT INTO sent (t) SELECT array_agg(i)::tensor FROM generate_series(1, 100000) AS i;
SELECT current_setting('data_directory') || '/maas_sent.bin' AS path \gset
COPY sent TO :'path' (FORMAT binary);
CREATE TEMP TABLE received (LIKE sent);
COPY received FROM :'path' (FORMAT binary);
SELECT count(*), bool_and(s.t IS NOT DISTINCT FROM r.t), bool_and(s.t::text IS NOT DISTINCT FROM r.t::text) FROM sent AS s JOIN received AS r USING (i);

-- A client that sends this instead of a tensor.  COPY's header, one column of so many bytes, COPY's trailer.
CREATE FUNCTION receive(packed bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    path text := current_setting('data_directory') || '/maas_hostile.bin';
    object oid := lo_from_bytea(0, '\x5047434f50590aff0d0a00'::bytea || '\x0000000000000000'::bytea || '\x0001'::bytea
                                   || int4send(length(packed)) || packed || '\xffff'::bytea);
    answer text;
BEGIN
    PERFORM lo_export(object, path);
    PERFORM lo_unlink(object);
    CREATE TEMP TABLE hostile (t tensor);
    BEGIN
        EXECUTE format('COPY hostile FROM %L (FORMAT binary)', path);
        SELECT t::text INTO answer FROM hostile;
    EXCEPTION WHEN OTHERS THEN
        answer := 'ERROR: ' || SQLERRM;
    END;
    DROP TABLE hostile;
    RETURN answer;
END $$;
CREATE TEMP TABLE wire AS SELECT t, tensor_send(t) AS b FROM sent WHERE t IS NOT NULL AND length(tensor_send(t)) < 500;
SELECT bool_and(receive(b) = t::text) FROM wire;
-- Nothing, too little and too much.
SELECT receive('\x');
SELECT receive('\x00'), receive('\xff');
SELECT bool_and(receive(substr(b, 1, n)) LIKE 'ERROR: %') FROM wire, generate_series(0, 16) AS n WHERE n < length(b);
SELECT bool_and(receive(substr(b, 1, length(b) - 1)) LIKE 'ERROR: %') FROM wire;
SELECT bool_and(receive(b || '\x00') LIKE 'ERROR: %') FROM wire;
-- Every byte of a short tensor replaced by others: an error, or a tensor that is sound (its text reads back).
SELECT bool_and(answer LIKE 'ERROR: %' OR answer::tensor::text = answer) AS sound
FROM (SELECT receive(set_byte(b, n, v)) AS answer
      FROM wire, generate_series(0, 23) AS n, unnest('{0,1,2,127,128,255}'::int[]) AS v
      WHERE n < length(b) AND t IN ('5', '[NaN,Infinity,-Infinity,-0]', 'string:[["a","é"],["","\n"]]', 'bool:[true,false]', 'int4:[[0,1,1],[1,0,1]]')) AS s;
