//! What both sides of a comparison run, and how the result is shown.

use clap::Args;

use crate::metric::Metric;
use crate::schedule::Contender;

/// Options that every run gets, so that they need not be given again.
const FIXED_OPTIONS: [&str; 2] = ["--json", "--quiet"];

/// What runs, on each side, and how the result is shown.
#[derive(Debug, Clone, Args)]
pub struct SessionOptions {
    /// The metric that the verdict is about; the others are printed beside it
    #[arg(long, value_enum, default_value_t = Metric::CpuPerPayment)]
    pub metric: Metric,

    /// Workload options added for A (BASE) only
    #[arg(long, value_name = "OPTIONS", default_value = "", hide_default_value = true,
          allow_hyphen_values = true, value_parser = shell_words)]
    pub a_args: Words,

    /// Workload options added for B (HEAD) only
    #[arg(long, value_name = "OPTIONS", default_value = "", hide_default_value = true,
          allow_hyphen_values = true, value_parser = shell_words)]
    pub b_args: Words,

    /// Compare although this key of assurance or workload differs, as workload.pattern (may be
    /// given several times)
    #[arg(long, value_name = "KEY")]
    pub across: Vec<String>,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// No progress and no notes on standard error
    #[arg(long)]
    pub quiet: bool,

    /// Options of `loadgen run` for every run [default: --sessions 8 --payments 2k
    /// --baseline-sessions 0; of a gate 1k payments]
    #[arg(last = true, value_name = "WORKLOAD", value_parser = run_word)]
    pub workload: Vec<String>,
}

/// A command line split into its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl SessionOptions {
    /// Takes this workload if none was named.
    #[must_use]
    pub fn with_default_workload(mut self, workload: &str) -> Self {
        if self.workload.is_empty() {
            self.workload = workload.split(' ').map(str::to_owned).collect();
        }
        self
    }

    /// The options of `loadgen run` that a contender gets.
    #[must_use]
    pub fn run_options(&self, contender: Contender) -> Vec<String> {
        let extra = match contender {
            Contender::A | Contender::ACopy => &self.a_args,
            Contender::B => &self.b_args,
        };
        let chosen = self.workload.iter().chain(&extra.0).cloned();
        chosen
            .filter(|option| !FIXED_OPTIONS.contains(&option.as_str()))
            .collect()
    }
}

/// A word of the workload. Every run would write an output of its own over the one before, and the
/// first over whatever has its name.
fn run_word(word: &str) -> Result<String, String> {
    match word.split('=').next() {
        Some(option @ ("--out" | "--audit-log" | "--ack-file")) => Err(format!(
            "a comparison runs many times, and reads its runs itself: expected a workload without \
             {option}"
        )),
        _ => Ok(word.to_owned()),
    }
}

/// Splits as a shell does: blanks separate; quotes and backslashes protect. Expands nothing.
fn shell_words(text: &str) -> Result<Words, String> {
    let words =
        shlex::split(text).ok_or("a quote is never closed, or a backslash protects nothing")?;
    let words: Result<_, String> = words.iter().map(|word| run_word(word)).collect();
    words.map(Words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_splits_them() {
        let check = |text: &str, expected: &[&str]| {
            let expected = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(shell_words(text), Ok(Words(expected)), "{text}");
        };
        check("", &[]);
        check("  --shards   2 ", &["--shards", "2"]);
        check("--x 'a b' \"c d\"e", &["--x", "a b", "c de"]);
        check(r#"a\ b "q\"q" 'r\r' ''"#, &["a b", "q\"q", r"r\r", ""]);
        assert!(
            shell_words("--out=A")
                .unwrap_err()
                .contains("without --out")
        );
        assert!(shell_words("'a").is_err());
        assert!(shell_words("a\\").is_err());
    }
}
