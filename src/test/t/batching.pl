# Every query of src/test/batching/corpus.sql gives the same answer row by row and in batches of any size, in parallel
# plans and below a forced Gather; and is computed in batches where it says so, and only there.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);

my $folder = 'src/test/batching';

# The corpus: name, what must happen, the statements.
my ($version) = `psql -XqAt -d postgres -c 'SHOW server_version_num'` =~ /^(\d+)\d{4}$/;
my @queries;
open(my $corpus, '<', "$folder/corpus.sql") or die $!;
while (my $line = <$corpus>) {
    if ($line =~ /^-- ([^.:]+): (batched|alone|fails)((?:, (?:any order|from \d+))*)$/) {
        my ($name, $what, $more) = ($1, $2, $3);
        my ($from) = $more =~ /from (\d+)/;
        push @queries, { name => $name, what => $what, any_order => scalar($more =~ /any order/), from => $from // 14, sql => '' };
    } elsif ($line !~ /^--/ && @queries) {
        $queries[-1]{sql} .= $line;
    }
}
close($corpus);
@queries = grep { $_->{from} <= $version } @queries;
cmp_ok(scalar(@queries), '>=', 60, 'the corpus is read');

sub run
{
    my ($database, $file, $options) = @_;
    local $ENV{PGOPTIONS} = $options;
    open(my $out, '-|', "psql -XqAt -d $database -f $file 2>&1") or die $!;
    local $/;
    my $text = <$out> // '';
    close($out);
    return $text;
}

sub write_file
{
    my ($text) = @_;
    my $file = `mktemp`;
    chomp $file;
    open(my $out, '>', $file) or die $!;
    print $out $text;
    close($out);
    return $file;
}

run('postgres', write_file("DROP DATABASE IF EXISTS maas_batching;\nDROP ROLE IF EXISTS maas_reader;\n"), '');
my $setup = write_file("CREATE DATABASE maas_batching;\n\\c maas_batching\nCREATE EXTENSION maas;\n"
      . "\\i src/test/psql/models.psql\n\\set ON_ERROR_STOP on\n\\i $folder/setup.sql\n\\echo ready\n");
like(run('postgres', $setup, ''), qr/ready$/, 'setup') or BAIL_OUT('the tables could not be made');

my $script = "\\set VERBOSITY terse\n\\set SHOW_CONTEXT never\n";
for my $i (0 .. $#queries) {
    $script .= "\\echo \@\@ $i\nBEGIN;\n$queries[$i]{sql}ROLLBACK;\n";
}
my $file = write_file($script);

# The answers of all queries under some settings, by number.
sub answers
{
    my ($options) = @_;
    my (@answers, $at);
    for my $line (split(/\n/, run('maas_batching', $file, $options))) {
        if ($line =~ /^\@\@ (\d+)$/) {
            $at = $1;
            $answers[$at] = [];
        } elsif (defined $at) {
            $line =~ s/^psql:[^ ]*:\d+: //;
            push @{ $answers[$at] }, $line;
        }
    }
    return @answers;
}

sub compare
{
    my ($mode, $sort, $expected, $got) = @_;
    for my $i (0 .. $#queries) {
        my $query = $queries[$i];
        my @sides = map { [ @{ $_->[$i] // ['no answer'] } ] } $expected, $got;
        @sides = map { [ sort @$_ ] } @sides if $sort || $query->{any_order};
        is(join("\n", @{ $sides[1] }), join("\n", @{ $sides[0] }), "$query->{name}, $mode");
    }
}

my $forced = $version >= 16 ? '-c debug_parallel_query=on' : '-c force_parallel_mode=on';
my $workers = '-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0'
  . ' -c min_parallel_index_scan_size=0 -c max_parallel_workers_per_gather=2';
my %row_by_row = map { $_ => [ answers("-c maas.batching=off $_") ] } '', $forced, $workers;
for my $size (1, 2, 7, 256) {
    compare("batches of $size", 0, $row_by_row{''}, [ answers("-c maas.batch_size=$size") ]);
}
for my $size (7, 256) {
    compare("batches of $size below a forced Gather", 1, $row_by_row{$forced}, [ answers("-c maas.batch_size=$size $forced") ]);
    compare("batches of $size in workers", 1, $row_by_row{$workers}, [ answers("-c maas.batch_size=$size $workers") ]);
}

# What was computed together, as EXPLAIN ANALYZE tells of every query that ran.
my @plans = answers('-c maas.batch_size=256 -c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0'
      . ' -c auto_explain.log_nested_statements=on -c auto_explain.log_analyze=on -c auto_explain.log_timing=off'
      . ' -c auto_explain.log_level=notice -c max_parallel_workers_per_gather=0');
for my $i (0 .. $#queries) {
    next if $queries[$i]{what} eq 'fails';
    my $plan = join("\n", @{ $plans[$i] // [] });
    # Rows whose argument is NULL count, too, though they need no run: a little above 1 is none together.
    my $together = grep { $_ >= 1.5 } $plan =~ /Rows per Batch: ([\d.]+)/g;
    ok($queries[$i]{what} eq 'batched' ? $together : !$together, "$queries[$i]{name}: $queries[$i]{what}")
      or diag($plan);
}
my @off = answers('-c maas.batching=off -c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0'
      . ' -c auto_explain.log_nested_statements=on -c auto_explain.log_level=notice');
unlike(join("\n", map { @$_ } grep { $_ } @off), qr/Maas Batch/, 'maas.batching = off leaves no node in a plan');

# Several statements that are sent at once: the first loads the module while it is planned.
my $limited = "SELECT id, maas_score('sum', x) FROM t ORDER BY a, id LIMIT 3";
my @twice = split(/\n/, `psql -XqAt -d maas_batching -c "$limited; $limited; EXPLAIN $limited" 2>&1`);
is(join(' ', @twice[0 .. 2]), '10|14 20|16 30|11', 'the first statement of a session');
is(join(' ', @twice[3 .. 5]), '10|14 20|16 30|11', 'the second one, which was sent with it');
is(scalar(grep { /Maas Batch/ } @twice), 1, 'one node in its plan');

# A LIMIT has no more rows computed than it takes and as many again.
my $explained = `psql -XqAt -d maas_batching -c "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT maas_score('sum', ARRAY[i, 1, 1]) FROM generate_series(1, 100000) i LIMIT 10" 2>&1`;
my ($read) = $explained =~ /Function Scan on generate_series i \(actual rows=(\d+)/;
cmp_ok($read // 1000, '<=', 16, 'LIMIT 10 reads no more than 16 rows');

# What EXPLAIN tells in a form for programs.
my $json = `psql -XqAt -d maas_batching -c "EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(maas_score('sum', x)) FROM t" 2>&1`;
like($json, qr/"Batched": \["maas_score\('sum'::text, x\)"\],\s+"Batches": \d+,\s+"Rows per Batch": [\d.]+,\s+"Model Time": [\d.]+/,
    'EXPLAIN (FORMAT JSON)');

# The cost of calls that a node of ours computes has nothing compiled; what else a plan costs still has. Of several
# statements the first one is planned before the module is there.
sub compiled
{
    my ($above, $query) = @_;
    local $ENV{PGOPTIONS} = "-c jit_above_cost=$above -c max_parallel_workers_per_gather=0";
    my @explained = map { ('-c', "EXPLAIN (ANALYZE, TIMING OFF) $query") } 1 .. 2;
    open(my $out, '-|', 'psql', '-XqAt', '-d', 'maas_batching', @explained) or die $!;
    my @lines = <$out>;
    close($out);
    return join(' ', scalar(grep { /Maas Batch/ } @lines), scalar(grep { /^ *JIT:/ } @lines));
}

SKIP: {
    skip 'the server cannot compile', 9 if `psql -XqAt -d postgres -c 'SELECT pg_jit_available()'` ne "t\n";
    my $in = {
        'an aggregate' => "SELECT sum(maas_score('sum', x)) FROM t",
        'a target list' => "SELECT id, maas_score('sum', x) FROM t",
        'a condition' => "SELECT count(*) FROM t WHERE maas_score('sum', x) > 15",
        'a join' => "SELECT count(*) FROM t JOIN u ON maas_score('sum', t.x) = maas_score('sum', u.y)",
        'a CTE' => "WITH c AS MATERIALIZED (SELECT maas_score('sum', x) FROM t) SELECT count(*) FROM c",
    };
    # 600 calls cost 150, reading the table less than 50 without the dead rows that the corpus has left.
    run('maas_batching', write_file("VACUUM (FULL, ANALYZE) t, u;\n"), '');
    is(compiled(100, $in->{$_}), $_ eq 'a join' ? '4 0' : '2 0', "calls in $_ are not compiled") for sort keys %$in;
    is(compiled(10, $in->{'an aggregate'}), '2 2', 'a plan that costs enough without its calls is compiled');
    is(compiled(100, "SELECT sum(maas_score('sum', t.x)) FROM t, u WHERE t.g <> u.t"), '2 2', 'so is a large join below calls');
    is(compiled(100, "SELECT sum(maas_score(CASE WHEN id > 0 THEN 'sum' END, x)) FROM t WHERE noisy(id) > 0"), '0 2', 'and calls that are not computed ahead');
    is(compiled(100, "SELECT maas_score('sum', x) FROM t LIMIT 500"), '2 0', 'part of the calls');
}

# A query ends at once when it is meant to, in the midst of batches.
my $start = time;
like(`psql -XqAt -d maas_batching -c "SET statement_timeout = 300; SELECT sum(maas_score('sum', ARRAY[a.id, b.id, c.id])) FROM t a, t b, t c" 2>&1`,
    qr/canceling statement due to statement timeout/, 'statement_timeout');
# What is meant to take 0.2 s may take longer where everything does.
cmp_ok(time - $start, '<', 1.5, 'statement_timeout acts at once');

run('postgres', write_file("DROP DATABASE maas_batching;\nDROP ROLE maas_reader;\n"), '');
done_testing();
