//! What all binaries' command lines have in common: `-h` with the options that people use first,
//! `--help` with all of them, negative numbers as values, manual pages, and completion scripts with
//! the place where each shell looks for them.

use clap::{Arg, Command};
use clap_complete::Shell;

/// Options that `-h` shows of a command at most, `-h` itself and the version aside.
pub const FIRST_OPTIONS: usize = 10;

/// A command and the options of it that people use first, by their long names. An empty name is the
/// program itself.
pub type FirstOptions<'a> = (&'a str, [&'a str; FIRST_OPTIONS]);

/// The command line with only these options in the `-h` of these commands. What a command lacks of
/// them is shown by `--help`, as everything is. A negative number is a value, which is refused as
/// such where there is none, and no unknown option.
///
/// # Panics
/// If there is no such command or option.
#[must_use]
pub fn with_first_options(command: Command, first: &[FirstOptions<'_>]) -> Command {
    let program = command.get_name().to_owned();
    let command = taking_numbers(command).mut_subcommands(taking_numbers);
    first.iter().fold(command, |command, (name, options)| {
        if name.is_empty() {
            return shortened(command, &program, options);
        }
        let words = format!("{program} {name}");
        command.mut_subcommand(name, |command| shortened(command, &words, options))
    })
}

fn taking_numbers(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    })
}

fn shortened(command: Command, words: &str, options: &[&str]) -> Command {
    for option in options {
        let known = command.get_arguments().any(|arg| is_named(arg, option));
        assert!(known, "{words} has no --{option}");
    }
    let all = format!("All options, and exit codes: {words} --help");
    let long = command.get_after_help().cloned();
    let end = match &long {
        Some(long) => {
            // The examples; what stands below them is for those who read all.
            let text = long.to_string();
            let examples = text.split("\n\n").next().unwrap_or_default().to_owned();
            format!("{examples}\n\n{all}")
        }
        None => all,
    };
    let command = command.mut_args(|arg| {
        let is_first = arg.get_long().is_none() || options.iter().any(|name| is_named(&arg, name));
        arg.hide_short_help(!is_first)
    });
    let command = command.after_help(end);
    match long {
        Some(long) => command.after_long_help(long),
        None => command,
    }
}

fn is_named(arg: &Arg, option: &str) -> bool {
    arg.get_long() == Some(option)
}

/// Prints a completion script for a shell.
#[derive(Clone, Debug, clap::Args)]
pub struct Completions {
    /// Which shell
    pub shell: Shell,
}

impl Completions {
    /// The script for this command line.
    #[must_use]
    pub fn script(&self, mut command: Command) -> String {
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

/// Prints a manual page.
#[derive(Clone, Debug, clap::Args)]
pub struct Manual {
    /// The command that the page is of [default: the program]
    pub command: Option<String>,
}

impl Manual {
    /// The page, in roff.
    ///
    /// # Errors
    /// Names a command that this command line has not, and those that it has.
    pub fn page(&self, mut command: Command) -> Result<String, String> {
        // What all commands take is in each one's page, and each one's page has its whole name.
        command.build();
        let of = match &self.command {
            None => command,
            Some(name) => match command.find_subcommand(name) {
                Some(found) => found.clone(),
                None => {
                    let known = command.get_subcommands().map(Command::get_name);
                    let known = known.collect::<Vec<_>>().join(", ");
                    return Err(format!("man {name}: expected one of {known}"));
                }
            },
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(of)
            .render(&mut page)
            .expect("writing to memory cannot fail");
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

/// How a manual page is read, and where it is kept.
#[must_use]
pub fn manual_help(program: &str) -> String {
    format!(
        "\
Examples:
  {program} man | man -l -
  {program} man > ~/.local/share/man/man1/{program}.1"
    )
}

/// Where each shell looks for the script of a program, as commands that put it there.
#[must_use]
pub fn completions_help(program: &str) -> String {
    format!(
        "\
Examples, each with the place where its shell looks:
  {program} completions bash > ~/.local/share/bash-completion/completions/{program}
  {program} completions zsh > ~/.zfunc/_{program}
      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  {program} completions fish > ~/.config/fish/completions/{program}.fish
  {program} completions elvish > ~/.config/elvish/lib/{program}.elv
      with `use {program}` in ~/.config/elvish/rc.elv
  {program} completions powershell >> $PROFILE

The folder has to be there (mkdir -p); a new shell knows the options."
    )
}

/// Checks what every binary promises of its help: at most [`FIRST_OPTIONS`] options under `-h`. For
/// tests.
///
/// # Errors
/// The commands that show more, and how many.
pub fn check_short_help(command: &Command) -> Result<(), String> {
    let shown = |command: &Command| {
        let options = command.get_arguments().filter(|arg| {
            let is_help = matches!(arg.get_id().as_str(), "help" | "version");
            let is_hidden = arg.is_hide_set() || arg.is_hide_short_help_set();
            arg.get_long().is_some() && !is_help && !is_hidden
        });
        options.count()
    };
    let mut commands = vec![command];
    commands.extend(command.get_subcommands());
    let long: Vec<String> = commands
        .into_iter()
        .filter(|command| shown(command) > FIRST_OPTIONS)
        .map(|command| format!("{}: {}", command.get_name(), shown(command)))
        .collect();
    match long.is_empty() {
        true => Ok(()),
        false => Err(long.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [&str; 12] = [
        "all",
        "batch",
        "count",
        "duration",
        "every",
        "first",
        "group",
        "hours",
        "in-flight",
        "json",
        "keys",
        "last",
    ];
    const FIRST: [&str; FIRST_OPTIONS] = [
        "all",
        "batch",
        "count",
        "duration",
        "every",
        "first",
        "group",
        "hours",
        "in-flight",
        "last",
    ];

    fn program() -> Command {
        let run = Command::new("run").after_help("Examples:\n  p run\n\nExit codes: 0");
        let run = OPTIONS
            .into_iter()
            .fold(run, |run, name| run.arg(Arg::new(name).long(name)));
        Command::new("p").subcommand(run)
    }

    #[test]
    fn the_short_help_has_the_first_options_and_the_long_one_all() {
        let refused = check_short_help(&program()).unwrap_err();
        assert_eq!(refused, "run: 12");
        let mut program = with_first_options(program(), &[("run", FIRST)]);
        assert_eq!(check_short_help(&program), Ok(()));
        let run = program.find_subcommand_mut("run").unwrap();
        let (short, long) = (run.render_help(), run.render_long_help());
        let (short, long) = (short.to_string(), long.to_string());
        assert!(
            !short.contains("--json") && short.contains("--last"),
            "{short}"
        );
        assert!(
            short.contains("Examples:") && !short.contains("Exit codes: 0"),
            "{short}"
        );
        assert!(short.contains("p run --help"), "{short}");
        assert!(
            long.contains("--json") && long.contains("Exit codes: 0"),
            "{long}"
        );
    }

    #[test]
    fn a_page_is_of_the_program_or_of_one_command() {
        let page = |command: Option<&str>| {
            let command = command.map(str::to_owned);
            Manual { command }.page(program())
        };
        let whole = page(None).unwrap();
        assert!(
            whole.contains(".TH p 1") && whole.contains("p\\-run(1)"),
            "{whole}"
        );
        let run = page(Some("run")).unwrap();
        // What `-h` leaves out is there too.
        assert!(
            run.contains(".TH p-run 1") && run.contains("\\-\\-json"),
            "{run}"
        );
        assert!(run.contains("Exit codes: 0"), "{run}");
        assert_eq!(
            page(Some("walk")).unwrap_err(),
            "man walk: expected one of run, help"
        );
    }

    #[test]
    fn every_shell_has_a_script_and_a_place() {
        let help = completions_help("p");
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            let script = Completions { shell }.script(program());
            assert!(script.contains("json"), "{shell}");
            assert!(help.contains(&format!("p completions {shell} >")), "{help}");
        }
    }
}
