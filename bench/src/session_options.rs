//! What both sides of a comparison run, and how the result is shown.

use clap::Args;

use crate::metric::Metric;

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

    /// Seed of the bootstrap, which is printed with the result
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub bootstrap_seed: u64,

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
    pub fn with_default_workload(mut self, workload: &[&str]) -> Self {
        if self.workload.is_empty() {
            self.workload = workload.iter().map(|word| (*word).to_owned()).collect();
        }
        self
    }

    /// Everything after `loadgen` for a side with its own options `extra`.
    #[must_use]
    pub fn run_arguments(&self, extra: &Words) -> Vec<String> {
        let chosen = self.workload.iter().chain(&extra.0).cloned();
        let chosen = chosen.filter(|option| !FIXED_OPTIONS.contains(&option.as_str()));
        let fixed = FIXED_OPTIONS.map(str::to_owned);
        ["run".to_owned()]
            .into_iter()
            .chain(fixed)
            .chain(chosen)
            .collect()
    }
}

/// A word of the workload. Every run would write an output of its own over the one before, and the
/// first over whatever has its name.
pub(crate) fn run_word(word: &str) -> Result<String, String> {
    match word.split('=').next() {
        Some(option @ ("--out" | "--audit-log" | "--ack-file")) => Err(format!(
            "a comparison runs many times, and reads its runs itself: expected a workload without \
             {option}"
        )),
        _ => Ok(word.to_owned()),
    }
}

/// As [`run_word`], of trials, which plant a slowdown of their own on one side.
pub(crate) fn trial_word(word: &str) -> Result<String, String> {
    match word.split('=').next() {
        Some(option @ "--planted-slowdown") => Err(format!(
            "--planted says what is planted, on one side: expected a workload without {option}"
        )),
        _ => run_word(word),
    }
}

/// Splits as a shell does: blanks separate; quotes and backslashes protect. Expands nothing.
fn shell_words(text: &str) -> Result<Words, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                let protected = letters.next().ok_or("a backslash protects nothing")?;
                word.get_or_insert_default().push(protected);
            }
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, Some(open)) if letter == open => quote = None,
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is never closed"));
    }
    words.extend(word);
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
