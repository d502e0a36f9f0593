# What editors and pagers do with a terminal: without echo and line by line while they run, as it was while they are stopped.
use POSIX;
$| = 1;
my $terminal = POSIX::Termios->new;
$terminal->getattr(0);
my $mode = $terminal->getlflag;
sub raw { $terminal->setlflag($mode & ~(ICANON | ECHO)); $terminal->setattr(0, TCSANOW) }
sub cooked { $terminal->setlflag($mode); $terminal->setattr(0, TCSANOW) }
$SIG{TSTP} = sub { cooked; kill STOP => $$; raw };
raw;
print "ready\n";
for (1 .. 2) {
	my $line = <STDIN>;
	print "got $line";
}
cooked;
