# One copy of a prepared model: the folder of images, concurrent builders, eviction, dropping, damage, full and
# read-only disks, kill -9, restart, base backup, standby.
use strict;
use warnings;
use lib 'src/test/t/lib';
use OwnServer;
use Test::More;
use Time::HiRes qw(sleep time);

my $server = OwnServer->new('primary', "log_min_messages = debug1\nwal_level = replica\nmax_wal_senders = 4\n");
my $folder = "$server->{data}/base/pgsql_tmp/pgsql_tmp_maas";

# ---- models: y = x . W with a large W, all ones but for the first number ----

sub varint
{
    my ($n) = @_;
    my $bytes = '';
    for (; $n > 127; $n >>= 7) {
        $bytes .= chr($n & 127 | 128);
    }
    return $bytes . chr($n);
}

sub field { my ($number, $bytes) = @_; return varint($number << 3 | 2) . varint(length $bytes) . $bytes; }
sub number { my ($number, $value) = @_; return varint($number << 3) . varint($value); }

sub value_info
{
    my ($name, $size) = @_;
    my $shape = field(1, field(2, 'N')) . field(1, number(1, $size));
    return field(1, $name) . field(2, field(1, number(1, 1) . field(2, $shape)));
}

# Writes the model with W of 16 columns and so many megabytes; y[0][0] of ones is rows - 1 + first.
sub write_model
{
    my ($name, $megabytes, $first) = @_;
    my $rows = $megabytes * 16384;
    my $raw = pack('f<', $first) . pack('f<', 1) x ($rows * 16 - 1);
    my $graph =
        field(1, field(1, 'x') . field(1, 'w') . field(2, 'y') . field(4, 'MatMul'))
      . field(2, 'big')
      . field(5, number(1, $rows) . number(1, 16) . number(2, 1) . field(8, 'w') . field(9, $raw))
      . field(11, value_info('x', $rows))
      . field(12, value_info('y', 16));
    open(my $file, '>:raw', "$server->{folder}/$name.onnx") or die $!;
    print $file number(1, 8), field(8, number(2, 18)), field(7, $graph);
    close($file);
    chmod(0644, "$server->{folder}/$name.onnx");
    return $rows - 1 + $first;
}

sub predict
{
    my ($name, $megabytes) = @_;
    return "SELECT (maas_predict('$name', array_fill(1::real, ARRAY[@{[($megabytes || 48) * 16384]}]))::real[])[1]::bigint";
}

# ---- looking from outside ----

sub files
{
    my ($where) = @_;
    my @names;
    if (opendir(my $dir, $where || $folder)) {
        @names = grep { !/^\./ } readdir($dir);
        closedir($dir);
    }
    return @names;
}

sub image_of
{
    my ($name, $on) = @_;
    my $sha256 = $server->sql("SELECT encode(sha256, 'hex') FROM maas.versions WHERE name = '$name'");
    my ($file) = grep { /^\Q$sha256\E-/ } files($on);
    return $file ? ($on || $folder) . "/$file" : undef;
}

sub maps
{
    my ($session, $file) = @_;
    open(my $maps, '<', "/proc/$session->{pid}/maps") or return 0;
    return scalar grep { index($_, $file) >= 0 } <$maps>;
}

sub private_kb
{
    my ($session) = @_;
    open(my $rollup, '<', "/proc/$session->{pid}/smaps_rollup") or return 0;
    my $total = 0;
    while (<$rollup>) {
        $total += $1 if /^Private_(?:Clean|Dirty): *(\d+) kB/;
    }
    return $total;
}

sub builds { return scalar(() = $server->log =~ /prepared model "\w+" in/g); }

sub wait_for
{
    my ($what) = @_;
    for (1 .. 300) {
        my $result = $what->();
        return $result if $result;
        sleep 0.05;
    }
    return;
}

# ---- loading and sharing ----

my $a_is = write_model('a', 48, 5);
my $b_is = write_model('b', 48, 7);
$server->sql("CREATE EXTENSION maas; CREATE ROLE nobody; CREATE ROLE friend");
is($server->sql("SELECT maas_load_file('a', '$server->{folder}/a.onnx')"), '1', 'load');
my $image = image_of('a');
ok($image, 'the load has written an image');
is(builds(), 1, 'built once');
is(sprintf('%o', (stat $image)[2] & 07777), '600', "the file is the server's alone");
is(sprintf('%o', (stat $folder)[2] & 07777), '700', 'and so is the folder');

my @sessions = map { $server->session } 1 .. 2;
my $idle = private_kb($sessions[0]);
is($sessions[$_]->ask(predict('a')), $a_is, "session $_ predicts") for 0, 1;
is(builds(), 1, 'still built once');
ok(maps($sessions[$_], $image), "session $_ maps the image") for 0, 1;
cmp_ok(private_kb($sessions[0]) - $idle, '<', 16 * 1024, 'the weights are not in private memory');
is($sessions[0]->ask("SELECT name, version, size = @{[-s $image]}, shared, mapped, last_used > now() - interval '1 hour' FROM maas.cache"),
    'a|1|t|t|t|t', 'the view');
is($server->sql('SELECT name, shared, mapped FROM maas.cache'), 'a|t|f', 'another session has not mapped it');
is($server->sql('SET ROLE nobody; SELECT count(*) FROM maas.cache; SELECT count(*) FROM maas.images()'), "0\n0", 'a stranger sees nothing');
is($server->sql("SELECT maas_grant('a', 'friend'); SET ROLE friend; SELECT name FROM maas.cache"), "\na", 'who may predict sees it');
like($server->sql("SELECT maas_shape('[1]'::tensor); SET ROLE friend; SET maas.cache_size = 1"), qr/permission denied/, 'the size is not for everybody');
my $force = $server->sql('SHOW server_version_num') < 160000 ? 'force_parallel_mode' : 'debug_parallel_query';
is($server->sql("SET $force = on; " . predict('a')), $a_is, 'in a parallel worker');
is(builds(), 1, 'which maps it, too');

# ---- concurrent builders ----

unlink($image);
my @many = map { $server->session } 1 .. 6;
my $before = builds();
$_->send(predict('a')) for @many;
is($_->answer, $a_is, 'a concurrent session predicts') for @many;
is(builds() - $before, 1, 'one of them built it');
is($_->ask(predict('a')), $a_is, 'a session whose image was replaced goes on') for @sessions;
is($sessions[0]->ask(predict('a')), $a_is, 'and on');
ok(maps($sessions[0], image_of('a')), 'with the new one');
$_->close for @many;

# The processes of one parallel query do not wait for each other's locks; one of them builds all the same.
$server->sql("CREATE TABLE rows WITH (parallel_workers = 3) AS SELECT i, repeat('x', 2000) AS filler FROM generate_series(1, 40) i");
unlink(image_of('a'));
$before = builds();
my $plan = $server->sql("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 3;"
      . " EXPLAIN (ANALYZE, COSTS OFF) SELECT sum((maas_predict('a', array_fill(i::real, ARRAY[786432]))::real[])[1]) FROM rows");
like($plan, qr/Workers Launched: [23]/, 'a cold parallel query');
is(builds() - $before, 1, 'one of its processes built it');
is_deeply([grep { /building/ } files()], [], 'and left no claim');

# A builder that waits for the catalog keeps others waiting, who can be cancelled.
unlink(image_of('a'));
my $locker = $server->session;
$locker->ask('BEGIN; LOCK maas.model_chunk IN ACCESS EXCLUSIVE MODE');
my ($builder, $waiter) = map { $server->session } 1 .. 2;
$builder->send(predict('a'));
ok(wait_for(sub { $server->sql("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $builder->{pid}") eq 'Lock' }), 'a builder waits');
my $start = time;
like($waiter->ask("SET statement_timeout = 300; @{[predict('a')]}"), qr/statement timeout/, 'who waits for it can be cancelled');
cmp_ok(time - $start, '<', 5, 'at once');
$locker->ask('COMMIT');
is($builder->answer, $a_is, 'the builder goes on');
$_->close for $builder, $waiter, $locker;

# ---- eviction ----

$sessions[0]->ask(predict('a'));
$sessions[1]->ask('BEGIN; ' . predict('a'));
$image = image_of('a');
is($server->sql("SET maas.cache_size = '64MB'; SELECT maas_load_file('b', '$server->{folder}/b.onnx')"), '1', 'a second model');
ok(!-e $image, 'the one used longest ago is evicted');
ok(image_of('b'), 'the newest stays');
ok(maps($sessions[1], $image), 'in mid-transaction the mapping stays');
is($sessions[1]->ask(predict('a')), $a_is, 'and is used');
$sessions[1]->ask('COMMIT');
ok(!maps($sessions[1], $image), 'at the end of the transaction it goes');
$sessions[0]->ask('SELECT 1');
ok(!maps($sessions[0], $image), 'in a session that does something else, too');
is($sessions[0]->ask(predict('a')), $a_is, 'it is made again when it is wanted');
is($server->sql("SET maas.cache_size = 0; @{[predict('a')]}; SELECT name, shared, mapped FROM maas.cache ORDER BY 1"),
    "$a_is\na|t|t\nb|t|f", 'without a cache a session prepares its own');

# ---- damage ----

for my $damage (
    ['a byte changed', sub { my ($file) = @_; open(my $f, '+<:raw', $file); seek($f, 300, 0); print $f "\xff\xff\xff\xff\xff\xff\xff"; close($f); }],
    ['cut off', sub { my ($file) = @_; truncate($file, 1000000); }],
    ['empty', sub { my ($file) = @_; truncate($file, 0); }],
    ['a symbolic link', sub { my ($file) = @_; rename($file, "$server->{folder}/elsewhere"); symlink("$server->{folder}/elsewhere", $file); }],
    ['of another build', sub { my ($file) = @_; open(my $f, '+<:raw', $file); seek($f, 16, 0); print $f "x"; close($f); }])
{
    my ($what, $how) = @$damage;
    my $file = image_of('a');
    # the sessions that map it let go of it first
    rename($file, "$file.kept");
    $_->ask('SELECT 1') for @sessions;
    system('cp', '-p', "$file.kept", $file);
    unlink("$file.kept");
    $before = builds();
    $how->($file);
    my $session = $server->session;
    is($session->ask(predict('a')), $a_is, "$what: it predicts");
    is(builds() - $before, 1, "$what: it was made again");
    ok(!-l $file && -s $file > 40e6, "$what: the file is whole again");
    $session->close;
}

# ---- dropping ----

$_->ask(predict('a')) for @sessions;
$image = image_of('a');
my $aborting = $server->sql("BEGIN; SELECT maas_drop('a'); ROLLBACK");
ok(-e $image, 'a drop that is rolled back leaves the image');
$server->sql("SELECT maas_load_file('again', '$server->{folder}/a.onnx'); SELECT maas_drop('again')");
ok(-e $image, 'it stays while another model has the same content');
$server->sql("SELECT maas_drop('a')");
ok(!-e $image, 'with the last one it goes');
$sessions[0]->ask('SELECT 1');
ok(!maps($sessions[0], $image), 'a session lets go of it at the end of its next transaction');
ok(wait_for(sub { !maps($sessions[1], $image) }), 'and one that only waits for its client after some seconds');
is($server->sql("SELECT maas_load_file('a', '$server->{folder}/a.onnx')"), '1', 'load again');
is($_->ask(predict('a')), $a_is, 'the sessions go on') for @sessions;

# ---- no place to write ----

sub without_place
{
    my ($what, $session) = @_;
    my $answer = $session->ask(predict('a'));
    like($answer, qr/NOTICE:  the prepared model is kept in the memory of this session/, "$what: a notice");
    like($answer, qr/\n$a_is$/, "$what: it predicts all the same");
    is($session->ask(predict('b')), $b_is, "$what: one notice a session");
    is($session->ask('SELECT name, shared, mapped FROM maas.cache ORDER BY 1'), "a|f|t\nb|f|t", "$what: the view");
    is(scalar(files()), 0, "$what: nothing is left");
    $session->close;
}

sub without_images
{
    unlink(map { "$folder/$_" } files());
    $_->ask('SELECT 1') for @sessions;
}

without_images();
chmod(0500, $folder);
without_place('read-only folder', $server->session);
chmod(0700, $folder);

SKIP: {
    my $limited = $server->session;
    $server->sql('CHECKPOINT');
    skip 'no prlimit', 5 if system("$OwnServer::run prlimit --pid $limited->{pid} --fsize=20000000:20000000 2>/dev/null") != 0;
    without_place('full disk', $limited);
}
is($sessions[0]->ask(predict('a')), $a_is, 'with a place again it is shared');
ok(image_of('a'), 'image');

# ---- kill -9 ----

sub crash
{
    my ($what, $session) = @_;
    kill(9, $session->{pid});
    $session->answer;
    $session->close;
    ok($server->wait_ready, "$what: the server recovers");
    is(scalar(files()), 0, "$what: the folder is empty");
    $_->close for @sessions;
    @sessions = map { $server->session } 1 .. 2;
    is($sessions[0]->ask(predict('a')), $a_is, "$what: it predicts");
    ok(image_of('a'), "$what: there is an image again");
}

# while it waits to read the model
unlink(image_of('a'));
$locker = $server->session;
$locker->ask('BEGIN; LOCK maas.model_chunk IN ACCESS EXCLUSIVE MODE');
$builder = $server->session;
$builder->send(predict('a'));
wait_for(sub { $server->sql("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $builder->{pid}") eq 'Lock' });
$locker->send('SELECT 1');
crash('killed while building', $builder);
$locker->close;

# while it writes: stopped as soon as the file shows
for (1 .. 20) {
    unlink(image_of('a'));
    $builder = $server->session;
    $builder->send(predict('a'));
    my $until = time + 20;
    my $name = "$folder/building.$builder->{pid}";
    select(undef, undef, undef, 0.0005) until -e $name || time > $until || image_of_is_there();
    kill('STOP', $builder->{pid});
    last if -e $name;
    kill('CONT', $builder->{pid});
    $builder->answer;
    $builder->close;
}
sub image_of_is_there { return scalar grep { /^[0-9a-f]{64}-/ } files(); }
ok(-e "$folder/building.$builder->{pid}", 'stopped while it writes');
my $other = $server->session;
$other->send(predict('a'));
ok(wait_for(sub { $server->sql("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $other->{pid}") eq 'Lock' }), 'another one waits for it');
crash('killed while writing', $builder);
$other->close;

# during a prediction
my $predicting = $server->session;
$predicting->send("SELECT count(maas_predict('a', array_fill(1::real, ARRAY[786432]))) FROM generate_series(1, 1000000)");
wait_for(sub { maps($predicting, $folder) });
crash('killed while predicting', $predicting);

# a file that a killed process has left, where the server does not clean up after a crash
$server->sql("ALTER SYSTEM SET remove_temp_files_after_crash = off; SELECT pg_reload_conf()");
open(my $left, '>', "$folder/building.4194305") or die $!;
close($left);
unlink(image_of('a'));
$_->ask('SELECT 1') for @sessions;
is($sessions[0]->ask(predict('a')), $a_is, 'an abandoned file');
is_deeply([grep { /building/ } files()], [], 'is removed');

# ---- restart, base backup, standby ----

$_->close for @sessions;
$server->stop;
$server->start;
is(scalar(files()), 0, 'after a restart the folder is empty');
is($server->sql(predict('a')), $a_is, 'and filled on demand');

my $standby = OwnServer->new('standby', '', backup_of => $server);
my $its = "$standby->{data}/base/pgsql_tmp/pgsql_tmp_maas";
ok(!-e $its, 'a base backup does not hold the images');
is($standby->sql('SELECT pg_is_in_recovery()'), 't', 'a standby');
is($standby->sql(predict('a')), $a_is, 'predicts');
ok(image_of('a', $its), 'and has an image of its own');
is($standby->sql(predict('a') . '; SELECT shared, mapped FROM maas.cache WHERE mapped'), "$a_is\nt|t", 'which it shares');

# What is dropped on the primary.
sub aged { my ($file) = @_; utime(time - 7200, time - 7200, $file); return $file; }
is($standby->sql(predict('b')), $b_is, 'a second model');
my ($its_a, $its_b) = map { image_of($_, $its) } qw(a b);
$server->sql("SELECT maas_drop('a')");
ok(wait_for(sub { $standby->sql("SELECT count(*) FROM maas.versions WHERE name = 'a'") eq '0' }), 'a drop arrives');
is($standby->sql('SELECT name FROM maas.cache'), 'b', 'the view no longer shows it');
ok(-e $its_a, 'the image of what was dropped stays: it was used just now, maybe by another database');
aged($_) for $its_a, $its_b;
is($standby->sql('SELECT name FROM maas.cache'), 'b', 'the view, some time after');
ok(!-e $its_a, 'the image has gone');
ok(-e $its_b, 'one of a model that is still there stays');
aged($its_b);
$server->sql("SELECT maas_drop('b'); SELECT maas_load_file('a', '$server->{folder}/a.onnx')");
ok(wait_for(sub { $standby->sql("SELECT string_agg(name, ' ') FROM maas.versions") eq 'a' }), 'another drop, and a load');
is($standby->sql(predict('a')), $a_is, 'predict');
ok(!-e $its_b && image_of('a', $its), 'who makes an image removes the old one');
$standby->remove;
$server->remove;
done_testing();
