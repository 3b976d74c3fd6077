//! README.md says what is so: its first code block, and commands and flags that exist.

use std::process::Command;

const README: &str = include_str!("../README.md");

#[test]
fn the_first_code_block_holds_the_two_commands() {
    let first = README.split("```").nth(1).expect("a code block");
    assert_eq!(first, "\ncargo run --release -- demo\ncargo test\n");
}

#[test]
fn every_command_and_flag_exists() {
    let commands = commands(README);
    assert!(commands.len() > 10, "commands were found: {commands:?}");
    for command in commands {
        let (names, arguments): (Vec<&str>, Vec<&str>) = split(&command);
        let help = help(&names).unwrap_or_else(|| panic!("`{command}`: there is no such command"));
        for flag in arguments.iter().filter(|argument| argument.starts_with('-') && **argument != "-") {
            assert!(
                help.contains(&(*flag).to_owned()),
                "`{command}`: `standin {} --help` does not know {flag}",
                names.join(" ")
            );
        }
    }
}

#[test]
fn an_unknown_command_or_flag_is_found() {
    assert!(help(&["masque"]).is_none());
    assert!(!help(&["mask"]).expect("a command").contains(&"--sequins".to_owned()));
    assert_eq!(
        commands("a `standin mask a -o b` | x\n$ standin key new -o k > f\ntcpdump | standin mask - | ssh"),
        ["mask a -o b", "key new -o k", "mask -"]
    );
}

/// What stands behind `standin` in code, up to what is a shell's or Markdown's.
fn commands(text: &str) -> Vec<String> {
    ["`standin ", "$ standin ", "| standin "]
        .iter()
        .flat_map(|start| text.split(start).skip(1))
        .map(|rest| rest.split(['`', '\n', '|', '<', '>']).next().unwrap_or_default().trim().to_owned())
        .collect()
}

/// The names of command and subcommand, and the arguments.
fn split(command: &str) -> (Vec<&str>, Vec<&str>) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let nested = matches!(words.first(), Some(&("rules" | "key" | "shell")));
    let (names, arguments) = words.split_at(words.len().min(if nested { 2 } else { 1 }));
    (names.to_vec(), arguments.to_vec())
}

/// The words of a command's help; none when there is no such command.
fn help(names: &[&str]) -> Option<Vec<String>> {
    let output = Command::new(env!("CARGO_BIN_EXE_standin")).arg("help").args(names).output().expect("standin runs");
    let text = String::from_utf8(output.stdout).expect("text");
    output.status.success().then(|| text.split([' ', ',', '\n', '[', ']', '`']).map(str::to_owned).collect())
}
