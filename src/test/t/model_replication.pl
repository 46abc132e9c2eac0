# Models go to a second server by logical replication: versions, contents, aliases and rights; deploying, revoking and
# dropping follow.
use strict;
use warnings;
use lib 'src/test/t/lib';
use OwnServer;
use Test::More tests => 13;

my $conf = "wal_level = logical\nmax_wal_senders = 6\nmax_replication_slots = 6\nmax_logical_replication_workers = 4\n";
my ($from, $to) = map { OwnServer->new($_, $conf) } qw(publisher subscriber);
my $models = "\\i src/test/psql/models.psql\n";
my $linear = "SELECT maas_predict('m', '[1,2,3]')";

$_->sql('CREATE ROLE owner; CREATE ROLE reader; CREATE EXTENSION maas') for $from, $to;
is($from->sql("${models}SET ROLE owner;
    SELECT maas_load('m', :'linear');
    SELECT maas_load('m', :'linear2', deploy => false);
    SELECT maas_alias('m', 'next', 2);
    SELECT maas_grant('m', 'reader');"), "1\n2\n\n", 'load');
is($from->sql('CREATE PUBLICATION models FOR TABLE maas.model, maas.model_version, maas.model_chunk, maas.model_alias,
    maas.model_acl'), '', 'publish');
like($to->sql("CREATE SUBSCRIPTION models CONNECTION 'host=$from->{folder} port=$from->{port} user=postgres dbname=postgres'
    PUBLICATION models"), qr/created replication slot/, 'subscribe');
is($to->until_sql("SET ROLE reader; $linear", '[4.5,4.5]'), '[4.5,4.5]', 'the reader predicts');
is($to->until_sql("SET ROLE reader; SELECT maas_predict('m\@next', '[1,2,3]')", '[104.5,104.5]'), '[104.5,104.5]', 'by an alias');
is($to->sql('SELECT m.name, m.owner, a.grantee, a.privilege FROM maas.model m JOIN maas.model_acl a ON a.model = m.id'),
    'm|owner|reader|predict', 'owner and rights by their names');
like($to->sql("SET ROLE reader; SELECT maas_export('m')"), qr/permission denied/, 'the reader may not download');

my $session = $to->session;
is($session->ask('SET ROLE reader; ' . $linear), '[4.5,4.5]', 'a session that stays');
$from->sql("SELECT maas_deploy('m', 2)");
$to->until_sql($linear, '[104.5,104.5]');
is($session->ask($linear), '[104.5,104.5]', 'deployed');
$from->sql("SELECT maas_revoke('m', 'reader')");
$to->until_sql('SELECT count(*) FROM maas.model_acl', '0');
like($session->ask($linear), qr/does not exist, or you have no right/, 'revoked');

# what a session has folded into a plan, and the images, go as on the first server
my $cached = 'SELECT count(*) FROM maas.cache';
is($to->sql($cached), '2', 'both versions are prepared');
my $folder = "$to->{data}/base/pgsql_tmp/pgsql_tmp_maas";
my $images = sub { my @files = glob("$folder/*"); return scalar @files; };
$from->sql("SELECT maas_drop('m')");
is($to->until_sql('SELECT count(*) FROM maas.model_version', '0'), '0', 'dropped');
for (1 .. 100) {
    last if $images->() == 0;
    select(undef, undef, undef, 0.1);
}
is($images->(), 0, 'and their images with them');

$session->close;
$to->sql('DROP SUBSCRIPTION models');
$_->remove for $to, $from;
