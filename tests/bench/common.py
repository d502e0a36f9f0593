"""What the parts of tests/bench/run share."""
import statistics
import subprocess
import sys


def fail(what):
    sys.exit(f"tests/bench/run: {what}")


def median(numbers):
    return statistics.median(numbers)


class Process:
    """A command in the background that says on a line when it is ready, and ends when its input does."""

    def __init__(self, command, said, **more):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
        self.hear(said)

    def hear(self, said):
        """The next line with these words in it."""
        for line in self.process.stdout:
            if said in line:
                return line
        return fail(f"{' '.join(self.command)} ended before it said '{said}'")

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            fail(f"{' '.join(self.command)}: exit status {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()
