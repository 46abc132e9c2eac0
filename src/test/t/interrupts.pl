# A running prediction can be cancelled and terminated at once, and interrupts that do not mean it leave it alone.
use strict;
use warnings;
use Test::More tests => 11;
use Time::HiRes qw(time sleep);

# What is meant to take 0.2 s may take longer where everything does.
my $at_once = 1.0;

sub answer
{
    my ($database, $query) = @_;
    open(my $out, '-|', 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-c', $query) or die $!;
    local $/;
    my $text = <$out> // '';
    close($out) or BAIL_OUT("this query failed on $database: $query");
    $text =~ s{\n\z}{};
    return $text;
}

# Starts a query in a session of its own; returns where its output comes from and its backend's process id.
sub start
{
    my ($name, $query) = @_;
    open(my $out, '-|', "PGAPPNAME=$name psql -XqAt -d maas_interrupts -c \"$query\" 2>&1") or die $!;
    for (1 .. 300) {
        my $pid = answer('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = '$name' AND state = 'active'");
        if ($pid) {
            sleep 0.5;
            return ($out, $pid);
        }
        sleep 0.05;
    }
    BAIL_OUT("$name did not start");
}

sub finish
{
    my ($out) = @_;
    local $/;
    my $text = <$out> // '';
    close($out);
    return $text;
}

# The model that loops for ever, and the same that loops so many times.
open(my $models, '<', 'src/test/psql/models.psql') or die $!;
my ($endless) = map { /^\\set endless '\\\\x([0-9a-f]+)'/ ? $1 : () } <$models>;
close($models);
sub counted
{
    my ($times) = @_;
    my $long = unpack('H*', pack('q<', $times));
    my $model = $endless;
    $model =~ s/0000000000000040/$long/ or die 'the model has another number of loops';
    return $model;
}

system("psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS maas_interrupts' 2>/dev/null");
answer('postgres', 'CREATE DATABASE maas_interrupts');
answer('maas_interrupts', 'CREATE EXTENSION maas');
answer('maas_interrupts', "SELECT maas_load('endless', '\\x$endless')");
my $started = answer('postgres', 'SELECT pg_postmaster_start_time()');

# Cancel.
my ($out, $pid) = start('cancel', "SELECT maas_predict('endless', '[1,2]')");
my $at = time;
is(answer('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'cancelled');
like(finish($out), qr/canceling statement due to user request/, 'the query ends');
cmp_ok(time - $at, '<', $at_once, 'at once');

# Terminate.
($out, $pid) = start('terminate', "SELECT maas_predict('endless', '[1,2]')");
$at = time;
is(answer('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'terminated');
like(finish($out), qr/terminating connection due to administrator command/, 'the session ends');
cmp_ok(time - $at, '<', $at_once, 'at once');

# Timeout, with threads.
$at = time;
like(`psql -XqAt -d maas_interrupts -c "SET statement_timeout = '500ms'; SET maas.threads = 2" -c "SET statement_timeout = '500ms'" -c "SELECT maas_predict('endless', '[1,2]')" 2>&1`,
    qr/canceling statement due to statement timeout/, 'timeout');
cmp_ok(time - $at, '<', 0.5 + $at_once, 'in time');

# An interrupt that is not meant for the query is served after the run.
my $times = 20000;
my $elapsed = 0;
my $alone;
while (1) {
    answer('maas_interrupts', "SELECT maas_load('counted', '\\x" . counted($times) . "')");
    $at = time;
    $alone = answer('maas_interrupts', "SELECT maas_predict('counted', '[0,0.5]')");
    $elapsed = time - $at;
    last if $elapsed > 2 || $times > 1e9;
    $times *= 3;
}
($out, $pid) = start('barrier', "SELECT maas_predict('counted', '[0,0.5]')");
answer('postgres', "SELECT pg_log_backend_memory_contexts($pid)") for 1 .. 3;
is(finish($out), "$alone\n", 'the answer is the same');
like(`tail -n 500 "\$MAAS_LOG"`, qr/logging memory contexts of PID $pid/, 'the interrupt was served');

is(answer('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server ran all the time');
answer('postgres', 'DROP DATABASE maas_interrupts');
