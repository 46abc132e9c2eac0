# Servers that a test starts, kills and restarts as it likes, and sessions that stay open.
#
#   my $server = OwnServer->new('name', "setting = value\n");     initdb and start
#   $server->sql('SELECT 1')                                      what psql says, its complaints too
#   my $session = $server->session;  $session->ask('SELECT 1');   a psql that stays; pid: its backend's
#   $server->stop;  $server->start;  $server->wait_ready;  $server->remove;
#
# All files of a server lie in a folder below /tmp that belongs to the user who runs it.
package OwnServer;
use strict;
use warnings;
use IPC::Open2;
use Time::HiRes qw(sleep time);

our $run = 'tools/server run';    # the server's programs refuse to run as root
my $next_port = ($ENV{PGPORT} || 5432) + 10;

sub new
{
    my ($class, $name, $conf, %from) = @_;
    my $folder = `$run mktemp -d`;
    chomp $folder;
    my $self = bless {name => $name, folder => $folder, data => "$folder/data", port => $next_port++, conf => $conf}, $class;
    my $rc =
      $from{backup_of}
      ? system("$run pg_basebackup -h $from{backup_of}{folder} -p $from{backup_of}{port} -D $folder/data -R -X stream -c fast")
      : system("$run initdb -D $folder/data -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null");
    die "no server $name" if $rc != 0;
    $self->configure($conf);
    $self->start;
    return $self;
}

# Writes the settings anew; they hold from the next start or reload on.
sub configure
{
    my ($self, $conf) = @_;
    open(my $file, '>>', "$self->{data}/postgresql.conf") or die $!;
    print $file `tools/server conf`, "unix_socket_directories = '$self->{folder}'\nlisten_addresses = ''\n",
      "port = $self->{port}\nfsync = off\nlc_messages = 'C'\ntimezone = 'UTC'\nshared_buffers = 128MB\n", $conf;
    close($file);
}

sub start
{
    my ($self) = @_;
    system("$run pg_ctl -D $self->{data} -l $self->{folder}/log -w start >/dev/null") == 0
      or die "server $self->{name} did not start: " . $self->log;
}

sub stop
{
    my ($self, $mode) = @_;
    system("$run pg_ctl -D $self->{data} -m " . ($mode || 'fast') . ' -w stop >/dev/null');
}

sub remove
{
    my ($self) = @_;
    $self->stop('immediate');
    system('rm', '-rf', $self->{folder});
}

sub log
{
    my ($self) = @_;
    open(my $file, '<', "$self->{folder}/log") or return '';
    local $/;
    return <$file> // '';
}

# Waits until it takes connections again.
sub wait_ready
{
    my ($self) = @_;
    for (1 .. 600) {
        return 1 if system("pg_isready -q -h $self->{folder} -p $self->{port}") == 0 && $self->sql('SELECT 1', 'postgres') eq '1';
        sleep 0.1;
    }
    return 0;
}

sub psql
{
    my ($self, $database) = @_;
    return ('psql', '-XqAt', '-h', $self->{folder}, '-p', $self->{port}, '-U', 'postgres', '-d', $database || 'postgres');
}

sub sql
{
    my ($self, $query, $database) = @_;
    open(my $in, '>', "$self->{folder}/query.sql") or die $!;
    print $in $query;
    close($in);
    my $text = `@{[$self->psql($database)]} -f $self->{folder}/query.sql 2>&1`;
    chomp $text;
    $text =~ s{^psql:\S+: }{}gm;
    return $text;
}

# Asks until the answer is this one, for some time; the last answer.
sub until_sql
{
    my ($self, $query, $expected) = @_;
    my $answer;
    for (1 .. 300) {
        $answer = $self->sql($query);
        last if $answer eq $expected;
        sleep 0.1;
    }
    return $answer;
}

sub session
{
    my ($self) = @_;
    my $session = bless {}, 'OwnServer::Session';
    $session->{psql} = open2($session->{out}, $session->{in}, "@{[$self->psql]} 2>&1");
    $session->{pid} = $session->ask('SELECT pg_backend_pid()');
    return $session;
}

package OwnServer::Session;

# Sends a query without waiting for its answer.
sub send
{
    my ($self, $query) = @_;
    my $in = $self->{in};
    local $SIG{PIPE} = 'IGNORE';
    print $in "$query;\n\\echo -done-\n";
    $in->flush;
}

# The answer to what was sent.
sub answer
{
    my ($self) = @_;
    my $out = $self->{out};
    my $text = '';
    while (defined(my $line = <$out>)) {
        last if $line eq "-done-\n";
        $text .= $line;
    }
    chomp $text;
    return $text;
}

sub ask
{
    my ($self, $query) = @_;
    $self->send($query);
    return $self->answer;
}

sub close
{
    my ($self) = @_;
    close($self->{in});
    close($self->{out});
    waitpid($self->{psql}, 0);
}

1;
