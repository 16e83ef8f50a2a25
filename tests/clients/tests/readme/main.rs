//! Runs the commands that the README shows, each fenced block in an empty home folder, and holds
//! what they print to what it says they print.
//!
//! A block of `sh` is a script that must succeed. In one of `console` a line `$ …` is a command,
//! and the lines after it are what it prints: `…` stands for anything, alone in a line for any
//! lines, and without such lines anything may be printed. A command fails where its last line
//! begins with `vschsm: `, and succeeds elsewhere. The output of `cat FILE` is written to FILE
//! first. Lines that install something are passed over.
//!
//! Comments above a block say how it is run: `<!-- under: COMMAND -->` lets `COMMAND -- sh` run
//! it, `<!-- first: COMMAND -->` comes before it, and `<!-- not run: REASON -->` leaves it out.

mod block;
mod transcript;

use block::{Block, Language};
use clients::{User, installed};
use libtest_mimic::{Arguments, Failed, Trial};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;
use transcript::Command;

const README: &str = include_str!("../../../../README.md");

/// What ends the output of a command in that of the script.
const END: char = '\u{1E}';

fn main() -> ExitCode {
    let blocks = block::parse(README);
    let mut trials: Vec<_> =
        blocks.iter().filter(|block| block.is_run()).cloned().map(trial).collect();
    trials.push(Trial::test("every block is fenced and says what it is", || {
        block::check(README).map_err(Failed::from)
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(block: Block) -> Trial {
    let first = block.text.lines().next().unwrap_or_default();
    Trial::test(format!("line {}: {first}", block.line), move || {
        let commands = match block.language {
            Language::Console => transcript::parse(&block.text)?,
            Language::Sh => vec![Command::script(&block.text)],
            Language::Text => Vec::new(),
        };
        run(&block, &commands).map_err(Failed::from)
    })
}

/// Runs the commands in one shell.
fn run(block: &Block, commands: &[Command]) -> Result<(), String> {
    let user = User::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    symlink(tests, user.home().join("tests")).map_err(|error| error.to_string())?;
    for (file, content) in commands.iter().filter_map(Command::file) {
        user.write(file, content);
    }
    user.write("script", script(commands));
    let mut lines = vec![String::from("set -e")];
    lines.extend(block.first.iter().map(|command| format!("{{ {command}; }} >/dev/null")));
    lines.push(match &block.under {
        Some(command) => format!("{command} -- sh ./script"),
        None => "sh ./script".into(),
    });
    user.write("block", lines.join("\n"));

    let folder = user.program().parent().ok_or("the program lies in a folder")?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let done = user.tool("sh", &["./block"]).env("PATH", path).run();

    let output = String::from_utf8_lossy(&done.stdout);
    let mut outputs = output.split(END);
    for command in commands {
        let Some(output) = outputs.next() else {
            return Err(format!("not reached: {}", command.line));
        };
        command.check(output).map_err(|error| format!("{error}\n{}", done.stderr))?;
    }
    if outputs.next().is_none() {
        let last = commands.last().map_or("", |command| command.line.as_str());
        return Err(format!("failed: {last}\n{output}{}", done.stderr));
    }
    done.succeeded();
    Ok(())
}

/// What the shell is given: each command, and then a mark in the output.
fn script(commands: &[Command]) -> String {
    installed("sc-hsm-tool");
    let mut lines = vec![String::from("set -e\nexec 2>&1")];
    for command in commands {
        let line = &command.line;
        lines.push(if command.fails() { format!("! {line}") } else { line.clone() });
        lines.push("printf '\\036'".into());
    }
    lines.join("\n")
}
