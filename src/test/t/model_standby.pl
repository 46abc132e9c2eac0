# A standby predicts, follows what the primary deploys and revokes, and does not load.
use strict;
use warnings;
use Test::More tests => 11;

my $database = 'maas_standby';
# The server's programs refuse to run as root: tools/server runs them as the user of the private server.
my $run = 'tools/server run';
my $folder = `$run mktemp -d`;
chomp $folder;
my $port = ($ENV{PGPORT} || 5432) + 1;

# Runs SQL on the primary, or on the standby; what it answers and what it complains about.
sub try
{
    my ($where, $query) = @_;
    open(my $in, '>', "$folder/query.sql") or die $!;
    print $in "\\i src/test/psql/models.psql\n$query";
    close($in);
    local $ENV{PGPORT} = $where eq 'standby' ? $port : $ENV{PGPORT};
    my $text = `psql -XqAt -d $database -f $folder/query.sql 2>&1`;
    chomp $text;
    return $text;
}

# Waits until the standby has replayed all that the primary has written.
sub catch_up
{
    my $target = try('primary', 'SELECT pg_current_wal_insert_lsn()');
    for (1 .. 300) {
        return 1 if try('standby', "SELECT pg_last_wal_replay_lsn() >= '$target'") eq 't';
        select(undef, undef, undef, 0.1);
    }
    return 0;
}

system("psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS $database' 2>/dev/null");
system("psql -Xq -d postgres -c 'DROP ROLE IF EXISTS maas_standby_user' 2>/dev/null");
system("psql -Xq -d postgres -c 'CREATE ROLE maas_standby_user'");
system('createdb', $database);
is(try('primary', <<'SQL'), "1\n2\n", 'load');
CREATE EXTENSION maas;
SELECT maas_load('m', :'linear');
SELECT maas_load('m', :'linear2', deploy => false);
SELECT maas_grant('m', 'maas_standby_user');
SQL
is(system("$run pg_basebackup -D $folder/data -R -X stream -c fast"), 0, 'pg_basebackup');
is(system("$run pg_ctl -D $folder/data -o '-p $port' -l $folder/log -w start >/dev/null"), 0, 'start');

my $predict = "SET ROLE maas_standby_user; SELECT maas_predict('m', '[1,2,3]');";
ok(catch_up(), 'replayed');
is(try('standby', $predict), '[4.5,4.5]', 'predict');
is(try('standby', "SELECT maas_predict('m\@2', ROW(1, 2, 3)), maas_export('m') = :'linear'::bytea"), '[104.5,104.5]|t', 'export');
is(try('standby', "SELECT name, deployed, versions FROM maas.models"), 'm|1|2', 'views');
like(try('standby', "SELECT maas_load('m', :'linear')"), qr/read-only transaction/, 'no load');
try('primary', "SELECT maas_deploy('m', 2)");
catch_up();
is(try('standby', $predict), '[104.5,104.5]', 'deployed');
try('primary', "SELECT maas_revoke('m', 'maas_standby_user')");
catch_up();
like(try('standby', $predict), qr/does not exist, or you have no right to use it/, 'revoked');

is(system("$run pg_ctl -D $folder/data -m fast -w stop >/dev/null"), 0, 'stop');
system('dropdb', $database);
system("psql -Xq -d postgres -c 'DROP ROLE maas_standby_user'");
system('rm', '-rf', $folder);
