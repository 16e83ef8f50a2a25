#!/bin/sh
# What ^C at a prompt of rpassword leaves behind in the terminal.
#
# The crate turns echo off and restores the terminal when its guard is dropped, and it
# reads ^C itself instead of leaving it to the kernel, so one would think that it restores first.
# It raises SIGINT before that: the default action ends the program there, and the shell that comes
# back has neither echo nor lines. Whoever asks for a PIN with it has to handle SIGINT.
#
# Package: crates.io rpassword 7.5.4 (with rtoolbox 0.0.6). Seen on 2026-11-30 on Debian 12:
#
#   before        echo, lines
#   at the prompt no echo, no lines
#   after ^C      no echo, no lines; ended by SIGINT
set -eu
head=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'END'
[package]
name = "prompt"
version = "0.0.0"
edition = "2021"

[dependencies]
rpassword = "=7.5.4"
rtoolbox = "=0.0.6"
END
echo 'fn main() { let _ = rpassword::prompt_password("PIN: "); }' >src/main.rs
cargo build --quiet
python3 - >seen <<'PYTHON'
import os, pty, signal, termios

master, terminal = pty.openpty()


def state():
    flags = termios.tcgetattr(terminal)[3]
    echo = "echo" if flags & termios.ECHO else "no echo"
    lines = "lines" if flags & termios.ICANON else "no lines"
    return f"{echo}, {lines}"


print(f"before        {state()}")
child = os.fork()
if child == 0:
    os.setsid()
    import fcntl
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(terminal, number)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv("target/debug/prompt", ["prompt"])
said = b""
while b"PIN: " not in said:
    said += os.read(master, 100)
# The prompt is written before echo goes.
while state() == "echo, lines":
    pass
print(f"at the prompt {state()}")
os.write(master, b"\x03")
_, status = os.waitpid(child, 0)
ended = "ended by SIGINT" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == 2 else status
print(f"after ^C      {state()}; {ended}")
PYTHON
cat seen
sed -n 's/^#   //p' "$head" >wanted
if ! cmp -s wanted seen; then
    echo "This has changed: the head of $head says something else." >&2
    exit 1
fi
