# A sample of the official ONNX cases, one for each operator, through SQL: maas_load, maas_tensor_from_onnx, maas_run.
# The conformance tool names the cases; everything is sent by the client, so that the server needs no access to files.
use strict;
use warnings;
use Test::More;
use MIME::Base64;

my $tool = 'build/release/tool/conformance';
my @folders = grep { -d } qw(/usr/share/libonnx-testdata/data src/test/cases src/test/fixtures);
my @cases = map { chomp; [split /\t/] } grep { /\t/ } `$tool --sample @folders`;
plan tests => scalar(@cases) + 1;
cmp_ok(scalar(@cases), '>', 100, 'there are cases for most operators');

sub bytes
{
    my ($path) = @_;
    open(my $file, '<:raw', $path) or die "$path: $!";
    local $/;
    my $data = <$file>;
    return "decode('" . encode_base64($data, '') . "', 'base64')";
}

sub text_array
{
    return 'ARRAY[' . join(',', map { s/'/''/gr =~ s/^/'/r =~ s/$/'/r } @_) . ']::text[]';
}

my $script = <<'SQL';
\set ON_ERROR_STOP 0
\set VERBOSITY terse
SET client_min_messages = error;
DROP DATABASE IF EXISTS maas_operators;
CREATE DATABASE maas_operators;
\c maas_operators
SET client_min_messages = error;
CREATE EXTENSION maas;
-- the judgement of ONNX's own runner: same type, same shape, numbers within the tolerance, NaN equal to NaN
CREATE FUNCTION same(a tensor, b tensor, rtol float8, atol float8) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF maas_dtype(a) <> maas_dtype(b) OR maas_shape(a) <> maas_shape(b) THEN RETURN false; END IF;
  IF a = b THEN RETURN true; END IF;
  IF maas_shape(a) = '{}' THEN a := maas_reshape(a, '{1}'); b := maas_reshape(b, '{1}'); END IF;
  IF maas_dtype(a) NOT LIKE '%float%' AND maas_dtype(a) <> 'double' THEN RETURN false; END IF;
  RETURN (SELECT bool_and(x = y OR abs(x - y) <= atol + rtol * abs(y))
          FROM unnest(maas_cast(a, 'double', false)::float8[], maas_cast(b, 'double', false)::float8[]) AS u(x, y));
END $$;
SQL
for my $case (@cases) {
    my ($folder, $rtol, $atol, $inputs, $outputs) = @$case;
    my @inputs = split /,/, $inputs;
    my @outputs = split /,/, $outputs;
    my @in = grep { -f "$folder/test_data_set_0/input_$_.pb" } 0 .. $#inputs;
    my $tensors = join(',', map { 'maas_tensor_from_onnx(' . bytes("$folder/test_data_set_0/input_$_.pb") . ')' } @in);
    $script .= "SELECT maas_load('c', " . bytes("$folder/model.onnx") . ") > 0 AS loaded \\gset\n";
    $script .= "\\echo case $folder\nSELECT 'right ' || count(*) FILTER (WHERE same(r.value, e.value, $rtol, $atol)) FROM maas_run('c', "
      . text_array(map { $inputs[$_] } @in) . ", ARRAY[$tensors]::tensor[]) r JOIN (VALUES "
      . join(',', map { "('" . ($outputs[$_] =~ s/'/''/gr) . "', maas_tensor_from_onnx(" . bytes("$folder/test_data_set_0/output_$_.pb") . '))' } 0 .. $#outputs)
      . ") AS e(name, value) USING (name);\n";
    $script .= "SELECT maas_drop('c') \\gset\n";
}
$script .= "\\c postgres\nDROP DATABASE maas_operators;\n";

my $file = `mktemp`;
chomp $file;
open(my $out, '>', $file) or die $!;
print $out $script;
close($out);
my (%answer, %noise, $current);
for my $line (`psql -XqAt -d postgres -f $file 2>&1`) {
    chomp $line;
    if ($line =~ /^case (.*)/) {
        $current = $1;
    } elsif ($line =~ /^right (\d+)/) {
        $answer{$current} = $1;
    } elsif (defined $current) {
        push @{ $noise{$current} }, $line;
    }
}
unlink $file;
for my $case (@cases) {
    my ($folder, undef, undef, undef, $outputs) = @$case;
    is($answer{$folder} // 'no answer', scalar(my @o = split(/,/, $outputs)), $folder)
      or diag(join("\n", @{ $noise{$folder} // [] }));
}
