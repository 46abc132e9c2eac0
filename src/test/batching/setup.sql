-- What the corpus runs on.  Numbers are small and whole, so that no answer depends on how sums are rounded.
SELECT maas_load('linear', :'linear'), maas_load('sum', :'sum'), maas_load('three', :'three', labels => ARRAY['a', 'b', 'c']),
    maas_load('centred', :'centred'), maas_load('picky', :'picky'), maas_load('half_mixed', :'half_mixed'), maas_load('lengths', :'lengths'),
    maas_load('strings', :'strings'), maas_load('zipmap', :'zipmap'), maas_load('columns', :'columns'),
    maas_load('cities', :'cities'), maas_load('wide', :'wide'), maas_load('missing', :'sum', null_as_nan => true), maas_load('zeros', :'zeros');
SELECT maas_load('linear', :'linear2', deploy => false);

-- Every 13th row has no x.
CREATE TABLE t (id int PRIMARY KEY, g int, a int, x real[], d float8[], ts tensor, j jsonb, words text, city text);
INSERT INTO t SELECT i, i % 5, i * 7 % 10, x, x::float8[], x::tensor, jsonb_build_object('x', to_jsonb(ARRAY[x])),
        '[' || array_to_string(x, ',') || ']', CASE i % 3 WHEN 0 THEN 'Oslo' WHEN 1 THEN 'Bern' ELSE 'Rome' END
    FROM (SELECT i, CASE WHEN i % 13 <> 0 THEN ARRAY[i % 11, i % 7, 1]::real[] END AS x FROM generate_series(1, 600) i) s;
CREATE INDEX ON t (g);
CREATE TABLE u (id int, t int, y real[]);
INSERT INTO u SELECT i, i * 3, ARRAY[i % 3, i % 4, i % 5] FROM generate_series(1, 150) i;
CREATE TABLE labels (label text, meaning text);
INSERT INTO labels VALUES ('a', 'first'), ('b', 'second'), ('c', 'third');
-- Row 40 has another shape, row 41 holds a NULL, row 42 is out of the model's range.
CREATE TABLE bad (id int PRIMARY KEY, x real[]);
INSERT INTO bad SELECT i, CASE i WHEN 40 THEN ARRAY[1, 2] WHEN 41 THEN ARRAY[1, NULL, 2] WHEN 42 THEN ARRAY[99, 1, 1]
    ELSE ARRAY[i % 7, 1, 1] END::real[] FROM generate_series(1, 100) i;
CREATE TABLE ragged (id int, x real[]);
INSERT INTO ragged SELECT i, array_fill(1, ARRAY[1 + i % 23])::real[] FROM generate_series(1, 300) i;
CREATE TABLE people (id int, age bigint, income numeric, member boolean, city_code int);
INSERT INTO people SELECT i, i % 90, i * 100, i % 2 = 0, 40 + i % 10 FROM generate_series(1, 200) i;
CREATE TABLE numbers AS SELECT i % 9 AS a, i % 8 AS b, (i % 7)::numeric AS c FROM generate_series(1, 100) i;
CREATE TABLE numbers_or_none AS SELECT a, b, NULLIF(c, 6) AS c FROM numbers;
CREATE TABLE p (id int, g int, x real[]) PARTITION BY LIST (g);
CREATE TABLE p0 PARTITION OF p FOR VALUES IN (0, 1);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (2, 3);
CREATE TABLE p2 PARTITION OF p DEFAULT;
INSERT INTO p SELECT id, g, x FROM t;
CREATE TABLE target (id int PRIMARY KEY, s float8, label text);
CREATE TABLE numbered (n serial, s float8);
CREATE VIEW scored AS SELECT id, g, maas_score('sum', x) AS s FROM t;
CREATE VIEW guarded WITH (security_barrier) AS SELECT id, x FROM t WHERE g = 1;
CREATE TABLE secret AS SELECT id, g, x FROM t;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE ROLE maas_reader;
GRANT SELECT ON secret TO maas_reader;
SELECT maas_grant('sum', 'maas_reader');
CREATE POLICY second ON secret FOR SELECT TO maas_reader USING (g = 2);
CREATE SEQUENCE counter;
CREATE FUNCTION noisy(i int) RETURNS int VOLATILE LANGUAGE plpgsql AS
    'BEGIN PERFORM nextval(''counter''); RETURN i; END';
CREATE FUNCTION noisy(x real[]) RETURNS real[] VOLATILE LANGUAGE plpgsql AS
    'BEGIN PERFORM nextval(''counter''); RETURN x; END';
CREATE FUNCTION score_of(int) RETURNS float8 STABLE LANGUAGE sql AS
    'SELECT maas_score(''sum'', x) FROM t WHERE id = $1';
CREATE FUNCTION loop_over() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT id, maas_score('sum', x) AS s FROM t WHERE id < 40 ORDER BY id LOOP
        RETURN NEXT r.id || ':' || coalesce(r.s::text, 'none');
    END LOOP;
END $$;
CREATE FUNCTION loop_and_write() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT id, x, maas_score('sum', x) AS s FROM t WHERE id < 40 ORDER BY id LOOP
        UPDATE t SET x = ARRAY[0, 0, 0] WHERE id = r.id + 1;
        RETURN NEXT r.id || ':' || coalesce(r.s::text, 'none');
    END LOOP;
END $$;
CREATE FUNCTION cursor_over(OUT text) LANGUAGE plpgsql AS $$
DECLARE
    c SCROLL CURSOR (least int) FOR SELECT maas_score('sum', x) FROM t WHERE id > least ORDER BY id;
    s float8;
BEGIN
    OPEN c(20);
    FETCH c INTO s;
    $1 := s;
    FETCH LAST FROM c INTO s;
    $1 := $1 || ' ' || s;
    FETCH RELATIVE -30 FROM c INTO s;
    $1 := $1 || ' ' || coalesce(s::text, 'none');
    CLOSE c;
END $$;
ANALYZE;
