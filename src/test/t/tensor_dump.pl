# Tensors go through pg_dump and psql, and through pg_dump's custom format and pg_restore, unchanged.
use strict;
use warnings;
use Test::More tests => 9;

sub run_ok
{
    my ($name, @command) = @_;
    is(system(@command), 0, $name);
}

sub answer
{
    my ($database, $query) = @_;
    open(my $out, '-|', 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-c', $query) or die $!;
    local $/;
    my $text = <$out>;
    close($out) or BAIL_OUT("this query failed on $database: $query");
    return $text // '';
}

my @databases = map { "maas_dump_$_" } qw(from plain custom);
my $folder = `mktemp -d`;
chomp $folder;

system("psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS $_' 2>/dev/null") for @databases;
run_ok("database $_", 'createdb', '-T', 'template0', $_) for @databases;

answer($databases[0], <<'SQL');
CREATE EXTENSION maas;
CREATE TABLE t (i int PRIMARY KEY, x tensor, a tensor[], CHECK (x <> '[666]'));
INSERT INTO t VALUES
  (1, '[[1,2.5],[NaN,-Infinity]]', '{"[0.1]","int64:[9223372036854775807]"}'),
  (2, 'string:["a\"b","\\","\n\t","é€😀",""]', NULL),
  (3, 'float(0,3):[]', '{}'), (4, NULL, '{NULL}'), (5, 'double:[0.1,1e-320,-0]', NULL), (6, 'complex64:[[1,2]]', NULL);
INSERT INTO t SELECT 7, array_agg(1 / i::real) FROM generate_series(1, 200000) AS i;
CREATE INDEX ON t (x) WHERE i < 7;
SQL
my $digest = "SELECT md5(string_agg(i || coalesce(x::text, '-') || coalesce(a::text, '-') || coalesce(maas_shape(x)::text, '-'), ',' ORDER BY i)) FROM t";
my $expected = answer($databases[0], $digest);

like($expected, qr/^[0-9a-f]{32}$/, 'digest');
run_ok('pg_dump', 'pg_dump', '-f', "$folder/plain.sql", $databases[0]);
run_ok('psql', "psql -Xq -v ON_ERROR_STOP=1 -d $databases[1] -f $folder/plain.sql >/dev/null");
is(answer($databases[1], $digest), $expected, 'plain text');

system('pg_dump', '-Fc', '-f', "$folder/custom", $databases[0]);
run_ok('pg_restore', 'pg_restore', '-d', $databases[2], "$folder/custom");
is(answer($databases[2], $digest), $expected, 'custom format');

system('rm', '-rf', $folder);
system('dropdb', $_) for @databases;
