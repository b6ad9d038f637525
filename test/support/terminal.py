"""Runs a program on a terminal, as the shell of a session would, and sends it signals.

Usage: terminal.py SIGNALS PROGRAM [ARGUMENT...]

SIGNALS are names without SIG, with commas between them. Each is sent when the program has
written something and then nothing for half a second. Standard output gets what the terminal
got, `<stopped>` where the program was stopped, and at the end `<status N>`. With GONE for a
name the terminal goes away, as when its window is closed, which is told by SIGHUP.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

PAUSE_SECONDS = 0.5
LIMIT_SECONDS = 20


def start(command):
    """A child in a process group of its own, whose parent is of the same session: job control."""
    leader, follower = pty.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(leader)
        for number in (0, 1, 2):
            os.dup2(follower, number)
        os.execvp(command[0], command)
    os.close(follower)
    return child, leader


def read_until_pause(leader, first_seconds=LIMIT_SECONDS):
    """What the terminal gets until it gets nothing for a while; the first of it may take longer."""
    text = b""
    while select.select([leader], [], [], PAUSE_SECONDS if text else first_seconds)[0]:
        try:
            text += os.read(leader, 65536)
        except OSError:
            break
    return text


def main():
    names = sys.argv[1].split(",")
    child, leader = start(sys.argv[2:])
    out = sys.stdout.buffer
    out.write(read_until_pause(leader))
    for name in names:
        if name == "GONE":
            os.close(leader)
            os.kill(child, signal.SIGHUP)
            break
        number = getattr(signal, f"SIG{name}")
        os.kill(child, number)
        if number == signal.SIGTSTP:
            _, status = os.waitpid(child, os.WUNTRACED)
            stopped = b"<stopped>" if os.WIFSTOPPED(status) else b"<ended>"
            out.write(read_until_pause(leader, PAUSE_SECONDS) + stopped)
        else:
            out.write(read_until_pause(leader))
    _, status = os.waitpid(child, 0)
    out.write(f"<status {os.waitstatus_to_exitcode(status)}>\n".encode())
    out.flush()


main()
