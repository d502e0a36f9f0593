# What editors and pagers do with a terminal: without echo and line by line while they run, as it was while they are stopped.
use POSIX;
$| = 1;
my $terminal = POSIX::Termios->new;
$terminal->getattr(0);
my $mode = $terminal->getlflag;
sub raw { $terminal->setlflag($mode & ~(ICANON | ECHO)); $terminal->setattr(0, TCSANOW) }
sub cooked { $terminal->setlflag($mode); $terminal->setattr(0, TCSANOW) }
# At once, and not at the next safe moment, which for a signal that comes just before a read is after that.
sigaction SIGTSTP, POSIX::SigAction->new(sub { cooked; kill STOP => $$; raw }, POSIX::SigSet->new, SA_RESTART);
raw;
print "ready\n";
for (1 .. 2) {
	my $line = <STDIN>;
	print "got $line";
}
cooked;
