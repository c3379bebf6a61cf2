//! Reads who cheats: `stale-close=1%,silent=0.5%`. Exact names, shares that make sense.

use std::fmt;
use std::str::FromStr;

use duet_engine::pipeline::Attack;
use duet_terminal::units::parse_share;

/// Attacks and the share of sessions that each strikes, in sum at most 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adversary(pub Vec<(Attack, f64)>);

impl FromStr for Adversary {
    type Err = String;

    fn from_str(text: &str) -> Result<Adversary, String> {
        let mut shares: Vec<(Attack, f64)> = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, share) = part.split_once('=').ok_or_else(|| {
                format!("'{part}': expected an attack and a share, as in silent=1%")
            })?;
            let share = parse_share(share)?;
            let attacks = match name {
                "all" => Attack::ALL.to_vec(),
                name => vec![
                    name.parse::<Attack>()
                        .map_err(|error| format!("{error}, or all"))?,
                ],
            };
            for attack in attacks {
                if shares.iter().any(|(other, _)| *other == attack) {
                    return Err(format!("'{part}': {} has its share already", attack.name()));
                }
                shares.push((attack, share));
            }
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if sum > 1.0 + 1e-9 {
            return Err(format!(
                "'{text}': the shares sum to {:.1} %, expected at most 100 %",
                sum * 100.0
            ));
        }
        Ok(Adversary(shares))
    }
}

impl fmt::Display for Adversary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (attack, share)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            // A share has fewer digits than the error of its division by a hundred begins at.
            let percent = (share * 1e14).round() / 1e12;
            write!(f, "{comma}{}={percent}%", attack.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_told() {
        for (text, told) in [
            ("", ""),
            ("stale-close=1%", "stale-close=1%"),
            ("silent=0.5%, replay=0.25", "silent=0.5%,replay=25%"),
            (
                "half-signed=0%,last-block=100%",
                "half-signed=0%,last-block=100%",
            ),
        ] {
            let read: Adversary = text.parse().unwrap();
            assert_eq!(read.to_string(), told);
            assert_eq!(told.parse(), Ok(read));
        }
        let all: Adversary = "all=1%".parse().unwrap();
        assert_eq!(all.0.len(), Attack::ALL.len());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, expected) in [
            ("stale", "'stale': expected an attack and a share"),
            (
                "stale=1%",
                "unknown attack `stale`, expected one of stale-close",
            ),
            ("silent=1", ""),
            ("silent=-1%", "'-1%' is not a share: expected 0% to 100%"),
            ("silent=101%", "'101%' is not a share"),
            ("silent=NaN", "'NaN' is not a share"),
            ("silent=", "'' is not a share"),
            (
                "silent=1%,silent=2%",
                "'silent=2%': silent has its share already",
            ),
            (
                "all=1%,replay=2%",
                "'replay=2%': replay has its share already",
            ),
            (
                "silent=60%,replay=60%",
                "the shares sum to 120.0 %, expected at most 100 %",
            ),
            ("all=12%", "the shares sum to 108.0 %"),
        ] {
            match text.parse::<Adversary>() {
                Ok(_) => assert!(expected.is_empty(), "{text}"),
                Err(error) => {
                    assert!(
                        !expected.is_empty() && error.contains(expected),
                        "{text}: {error}"
                    );
                }
            }
        }
    }
}
