//! Reads a trace file once, from start to end: hashes it, checks each line against those above it,
//! gives names and pairs their numbers, and at the end sorts the payments by session.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead, BufReader, Read},
    mem,
    path::Path,
};

use sha2::{Digest, Sha256};

use duet_terminal::input::{self, Limit, Reading};

use super::{
    LARGEST_PAIR_TOTAL, NearNames, Session, Trace, TracePayment,
    error::{LineError, TraceError, shown},
    hourly::MOST_PAYMENTS,
    parse::{self, PaymentLine},
};

/// A line that is longer is no payment, and would have to be held in memory whole.
const LINE_LIMIT_BYTES: usize = 4096;
const READ_BYTES: usize = 1 << 17;

/// How much a trace may be.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Of the file. A pipe need not end.
    pub(super) length: Limit,
    /// Payments are held in memory.
    pub(super) payments: u64,
}

/// The most that `loadgen trace` makes: 10^9 payments, of some 30 bytes each, twice.
const BOUNDS: Bounds = Bounds {
    length: Limit {
        bytes: 1 << 36,
        kind: "a trace",
    },
    payments: MOST_PAYMENTS,
};

impl Trace {
    /// Reads the trace in a CSV file. The header is [`super::HEADER`]; a line is a payment:
    ///
    /// - `time_s`: decimal seconds, not negative, never less than in the line above. Sessions get
    ///   times counted from the first payment, to the nanosecond.
    /// - `payer`, `payee`: two different names. Every unordered pair of names is one session,
    ///   opened by the one that pays first.
    /// - `amount`: an integer, 1 to 2^53; a pair's amounts sum to at most 2^62.
    ///
    /// Spaces around fields, quotation marks by RFC 4180, a header in any case, CRLF, a byte order
    /// mark and empty lines are accepted. Names that are almost the same are two accounts, and
    /// [`Trace::near_names`] has them. Memory: 36 bytes a payment while reading, 16 after, and what
    /// the names need.
    ///
    /// # Errors
    /// [`TraceError`], with the line's number and the value that is wrong.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let open_error = |source| TraceError::Open {
            path: path.to_owned(),
            source,
        };
        let _reading = Reading::begin().map_err(open_error)?;
        let file = input::open(path).map_err(open_error)?;
        Self::read_from(file, path)
    }

    /// Reads a trace from any source of bytes, as [`Trace::read`] does; `path` is its name in
    /// errors.
    ///
    /// # Errors
    /// [`TraceError`], with the line's number and the value that is wrong.
    pub fn read_from(source: impl Read, path: &Path) -> Result<Self, TraceError> {
        Self::read_within(source, path, BOUNDS)
    }

    pub(super) fn read_within(
        source: impl Read,
        path: &Path,
        bounds: Bounds,
    ) -> Result<Self, TraceError> {
        let mut lines = Lines::new(source);
        let mut builder = Builder {
            most_payments: bounds.payments,
            ..Builder::default()
        };
        let mut header_seen = false;
        while lines.advance().map_err(|source| TraceError::Read {
            path: path.to_owned(),
            source,
        })? {
            if lines.bytes > bounds.length.bytes {
                return Err(TraceError::Open {
                    path: path.to_owned(),
                    source: bounds.length.exceeded(),
                });
            }
            let checked = lines.current().and_then(|line| {
                if !header_seen {
                    header_seen = true;
                    parse::header(line)
                } else if line.is_empty() {
                    Ok(())
                } else {
                    builder.line = lines.number;
                    builder.add(&parse::payment(line)?, line)
                }
            });
            checked.map_err(|error| {
                let whole = !matches!(error, LineError::TooLong { .. });
                let utf8 = str::from_utf8(&lines.line).is_ok();
                // Whatever else is wrong with it follows from that.
                let error = if whole && !utf8 {
                    LineError::Utf8
                } else {
                    error
                };
                TraceError::at_line(path, lines.number, error)
            })?;
        }
        if !header_seen {
            let error = LineError::Header {
                found: String::new(),
            };
            return Err(TraceError::at_line(path, 1, error));
        }
        builder
            .finish(lines.sha256())
            .ok_or_else(|| TraceError::Empty {
                path: path.to_owned(),
            })
    }
}

/// The lines of a source, one at a time, and the hash of all its bytes.
struct Lines<R> {
    source: BufReader<Hashing<R>>,
    line: Vec<u8>,
    /// The current line's, from 1.
    number: u64,
    /// Of all lines up to this one.
    bytes: u64,
}

impl<R: Read> Lines<R> {
    fn new(source: R) -> Self {
        let hashing = Hashing {
            source,
            sha256: Sha256::new(),
        };
        Self {
            source: BufReader::with_capacity(READ_BYTES, hashing),
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// Goes to the next line; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.source).take(LINE_LIMIT_BYTES as u64 + 1);
        let taken = limited.read_until(b'\n', &mut self.line)?;
        self.number += u64::from(taken > 0);
        self.bytes += taken as u64;
        Ok(taken > 0)
    }

    /// The current line without its end and the spaces around it.
    fn current(&self) -> Result<&[u8], LineError> {
        if self.line.len() > LINE_LIMIT_BYTES {
            return Err(LineError::TooLong {
                limit_bytes: LINE_LIMIT_BYTES,
            });
        }
        Ok(self.line.trim_ascii())
    }

    /// In hexadecimal; to be asked at the end.
    fn sha256(self) -> String {
        let digest = self.source.into_inner().sha256.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    source: R,
    sha256: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.sha256.update(&buffer[..length]);
        Ok(length)
    }
}

/// The trace so far, in the file's order.
#[derive(Default)]
struct Builder {
    /// The current line's number.
    line: u64,
    account_of_name: HashMap<Box<[u8]>, u32>,
    /// Hashes of the names as [`folded`] makes them.
    folded_names: HashSet<u64>,
    near_names: Option<NearNames>,
    /// By its two accounts, the lower number in the upper half.
    session_of_pair: HashMap<u64, u32>,
    sessions: Vec<SessionSoFar>,
    payments: Vec<TracePayment>,
    most_payments: u64,
    /// Beside `payments`.
    session_of_payment: Vec<u32>,
    first_time_ns: Option<u64>,
    last_time_ns: u64,
}

struct SessionSoFar {
    accounts: Session,
    payments: usize,
    total: u64,
}

impl Builder {
    fn add(&mut self, payment: &PaymentLine<'_>, line: &[u8]) -> Result<(), LineError> {
        let &PaymentLine {
            time_ns,
            ref payer,
            ref payee,
            amount,
        } = payment;
        if self.payments.len() as u64 >= self.most_payments {
            return Err(LineError::TooManyPayments {
                most: self.most_payments,
            });
        }
        if time_ns < self.last_time_ns {
            let found = line.split(|&byte| byte == b',').next().unwrap_or(line);
            let previous_ns = self.last_time_ns;
            return Err(LineError::TimeGoesBack {
                found: shown(found),
                previous_ns,
            });
        }
        let payer_account = self.account(payer)?;
        let payee_account = self.account(payee)?;
        let session = self.session(payer_account, payee_account)?;

        let so_far = &mut self.sessions[session as usize];
        so_far.payments += 1;
        so_far.total += amount;
        if so_far.total > LARGEST_PAIR_TOTAL {
            return Err(LineError::PairTotalTooLarge {
                payer: shown(payer),
                payee: shown(payee),
            });
        }
        let from_opener = so_far.accounts.opener == payer_account;
        let due_ns = time_ns - *self.first_time_ns.get_or_insert(time_ns);
        self.last_time_ns = time_ns;
        self.payments
            .push(TracePayment::new(due_ns, amount, from_opener));
        self.session_of_payment.push(session);
        Ok(())
    }

    fn account(&mut self, name: &[u8]) -> Result<u32, LineError> {
        if let Some(&account) = self.account_of_name.get(name) {
            return Ok(account);
        }
        if str::from_utf8(name).is_err() {
            return Err(LineError::Utf8);
        }
        let account =
            u32::try_from(self.account_of_name.len()).map_err(|_| LineError::TooManyNames)?;
        self.compare(name);
        self.account_of_name.insert(name.into(), account);
        Ok(account)
    }

    /// Counts a new name that is almost one of those before it.
    fn compare(&mut self, name: &[u8]) {
        let mut hasher = DefaultHasher::new();
        folded(name).for_each(|byte| byte.hash(&mut hasher));
        if self.folded_names.insert(hasher.finish()) {
            return;
        }
        if let Some(near) = &mut self.near_names {
            near.names += 1;
            return;
        }
        let mut earlier = self.account_of_name.keys();
        let like = earlier.find(|earlier| folded(earlier).eq(folded(name)));
        self.near_names = like.map(|like| NearNames {
            line: self.line,
            name: shown(name),
            like: shown(like),
            names: 1,
        });
    }

    fn session(&mut self, payer: u32, payee: u32) -> Result<u32, LineError> {
        let pair = u64::from(payer.min(payee)) << 32 | u64::from(payer.max(payee));
        if let Some(&session) = self.session_of_pair.get(&pair) {
            return Ok(session);
        }
        let session = u32::try_from(self.sessions.len()).map_err(|_| LineError::TooManyNames)?;
        self.session_of_pair.insert(pair, session);
        let accounts = Session {
            opener: payer,
            peer: payee,
        };
        self.sessions.push(SessionSoFar {
            accounts,
            payments: 0,
            total: 0,
        });
        Ok(session)
    }

    /// Sorts the payments by session, each session's in the file's order. None without payments.
    fn finish(mut self, sha256: String) -> Option<Trace> {
        let duration_ns = self.last_time_ns - self.first_time_ns?;
        drop(mem::take(&mut self.session_of_pair));
        drop(mem::take(&mut self.folded_names));

        let mut next_places = Vec::with_capacity(self.sessions.len());
        let mut place = 0;
        for session in &self.sessions {
            next_places.push(place);
            place += session.payments;
        }
        assert_eq!(
            place,
            self.payments.len(),
            "every payment belongs to one session"
        );
        let mut payments = vec![TracePayment::new(0, 1, false); self.payments.len()];
        for (&session, &payment) in self.session_of_payment.iter().zip(&self.payments) {
            let place = &mut next_places[session as usize];
            payments[*place] = payment;
            *place += 1;
        }
        // Each session's next place is now one past its last payment.
        let ends = next_places;

        let mut accounts = vec![String::new(); self.account_of_name.len()];
        for (name, account) in self.account_of_name {
            let name = String::from_utf8(name.into_vec());
            accounts[account as usize] =
                name.unwrap_or_else(|_| unreachable!("checked when added"));
        }
        let sessions = self
            .sessions
            .iter()
            .map(|session| session.accounts)
            .collect();
        Some(Trace {
            accounts,
            sessions,
            ends,
            payments,
            sha256,
            duration_ns,
            near_names: self.near_names,
        })
    }
}

/// A name without what people spell in several ways: case, and what parts its words.
fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    let is_gap = |byte: u8| byte.is_ascii_whitespace() || b"-_.".contains(&byte);
    let mut in_gap = false;
    name.iter().filter_map(move |&byte| {
        let again = in_gap && is_gap(byte);
        in_gap = is_gap(byte);
        let folded = match in_gap {
            true => b'_',
            false => byte.to_ascii_lowercase(),
        };
        (!again).then_some(folded)
    })
}
