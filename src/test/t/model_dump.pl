# Models, versions, aliases and rights go through pg_dump and back; the same name means another model in another
# database; a database in another encoding; a model beyond the size of one bytea's comfort as a large object.
use strict;
use warnings;
use Test::More tests => 16;

sub run_ok
{
    my ($name, @command) = @_;
    is(system(@command), 0, $name);
}

# Runs SQL; what it answers and what it complains about.
sub try
{
    my ($database, $query) = @_;
    open(my $in, '>', "/tmp/maas_model_dump_$$.sql") or die $!;
    print $in "\\i src/test/psql/models.psql\n$query";
    close($in);
    my $text = `psql -XqAt -d $database -f /tmp/maas_model_dump_$$.sql 2>&1`;
    unlink("/tmp/maas_model_dump_$$.sql");
    chomp $text;
    return $text;
}

my @databases = map { "maas_models_$_" } qw(from to other latin1);
my $folder = `mktemp -d`;
chomp $folder;
my @roles = qw(maas_dump_owner maas_dump_user maas_dump_gone);

system("psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS $_' 2>/dev/null") for @databases;
system("psql -Xq -d postgres -c 'DROP ROLE IF EXISTS $_' 2>/dev/null") for @roles;
system("psql -Xq -d postgres -c 'CREATE ROLE $_'") for @roles;
run_ok('databases', 'createdb', '-T', 'template0', $_) for @databases[0 .. 2];
run_ok('a database in latin1', 'createdb', '-T', 'template0', '-E', 'LATIN1', '--locale=C', $databases[3]);

is(try($databases[0], <<'SQL'), "1\n2\n1\n\n\n\n", 'load');
CREATE EXTENSION maas;
SET ROLE maas_dump_owner;
SELECT maas_load('m', :'linear');
SELECT maas_load('m', :'linear2', labels => ARRAY['a', 'b'], null_as_nan => true);
SELECT maas_load('other', :'sum');
SELECT maas_alias('m', 'old', 1);
SELECT maas_grant('m', 'maas_dump_user');
SELECT maas_grant('other', 'public', 'download');
SELECT maas_grant('other', 'maas_dump_gone');
SQL
system("psql -Xq -d postgres -c 'DROP ROLE maas_dump_gone'");

# pg_dump writes the catalog's rows; the policies come with the extension.
run_ok('pg_dump', 'pg_dump', '-Fc', '-f', "$folder/dump", $databases[0]);
run_ok('pg_restore', 'pg_restore', '--exit-on-error', '-d', $databases[1], "$folder/dump");
my $state = <<'SQL';
SELECT name, owner, deployed, versions FROM maas.models ORDER BY 1;
SELECT name, version, aliases, sha256, labels, null_as_nan, created_by FROM maas.versions ORDER BY 1, 2;
SELECT m.name, a.owner, a.grantee, a.privilege, a.grantor FROM maas.model_acl a JOIN maas.model m ON m.id = a.model
    WHERE a.grantee::text !~ '^[0-9]' ORDER BY 1, 2, 3, 4;
SELECT maas_predict('m', '[1,2,3]'), maas_predict('m@old', '[1,2,3]'), sha256(maas_export('m@1')), maas_classify('m', ARRAY[1,2,3]);
SQL
my $before = try($databases[0], $state);
like($before, qr/\[104.5,104.5\]/, 'before');
is(try($databases[1], $state), $before, 'after');
is(try($databases[1], "SELECT count(*) FROM maas.model_acl WHERE grantee::text ~ '^[0-9]'"), 0, 'no rights of roles that are gone');
like(try($databases[1], "SET ROLE maas_dump_user; SELECT maas_predict('m', '[1,2,3]'); SELECT maas_export('m');"),
    qr/^\[104.5,104.5\]\n.*permission denied to download/, 'rights of the user');
is(try($databases[1], "SET ROLE maas_dump_owner; SELECT maas_load('m', :'linear'); SELECT maas_load('new', :'linear'); SELECT maas_predict('m', '[1,2,3]');"),
    "3\n1\n[4.5,4.5]", 'the owner goes on');

# The same name in two databases, by one client.
is(try($databases[2], <<"SQL"), "1\n[6]\n[104.5,104.5]\n[6]", 'two databases');
CREATE EXTENSION maas;
SELECT maas_load('m', :'sum');
SELECT maas_predict('m', '[1,2,3]');
\\c $databases[0]
SELECT maas_predict('m', '[1,2,3]');
\\c $databases[2]
SELECT maas_predict('m', '[1,2,3]');
SQL

# Strings are UTF-8 in a model and in the server's encoding outside.
is(try($databases[3], <<'SQL'), "1\nt\nt\nt\nnaïf\nt\nt", 'latin1');
SET client_encoding = 'UTF8';
CREATE EXTENSION maas;
SELECT maas_load('same_text', :'same_text');
SELECT maas_predict('same_text', ARRAY['Bjørn', 'ø'])::text[] = ARRAY['Bjørn', 'ø'];
SELECT maas_predict('same_text', 'ø') = maas_reshape(maas_tensor(ARRAY['ø']), '{}');
SELECT maas_predict('same_text', '{"x": ["ø"]}'::jsonb) = '{"y": ["ø"]}';
CREATE TABLE somme AS SELECT i AS "numéro", (ARRAY['é', 'ø'])[1 + i % 2] AS "mot", CASE WHEN i % 2 = 0 THEN 'naïf' ELSE 'rusé' END AS "caractère" FROM generate_series(1, 40) i;
SET client_min_messages = warning;
SELECT maas_train('modèle', 'SELECT * FROM somme', 'caractère', options => '{"seed": 1, "epochs": 100}') #>> '{metrics,per_class,0,class}';
SELECT maas_classify('modèle', s) = 'rusé' FROM (SELECT 7 AS "numéro", 'ø' AS "mot") s;
SELECT maas_evaluate('modèle', 'SELECT * FROM somme', 'caractère') -> 'accuracy' = '1';
SQL

# A large object of more bytes than a piece, sent from the client; exported into another one.
is(try($databases[0], <<'SQL'), "t\nt\nt", 'large objects');
SELECT lo_from_bytea(0, :'linear'::bytea || '\x9a068080c002'::bytea || decode(repeat('00', 5242880), 'hex')) AS big \gset
SELECT maas_load('big', :big::oid) = 1;
SELECT maas_export_object('big') AS copy \gset
SELECT lo_get(:big) = lo_get(:copy);
SELECT lo_unlink(:big) + lo_unlink(:copy) = 2;
SQL

run_ok('dropdb', 'dropdb', $_) for $databases[0];
system('dropdb', $_) for @databases[1 .. 3];
system("psql -Xq -d postgres -c 'DROP ROLE $_'") for @roles[0, 1];
system('rm', '-rf', $folder);
