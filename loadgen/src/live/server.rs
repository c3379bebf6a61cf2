//! Answers requests for metrics over HTTP, one at a time, on a thread that ends with the process.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duet_engine::pipeline::thread_cpu_ns;
use duet_terminal::threads;
use httparse::{EMPTY_HEADER, Request, Status};

use super::metrics::{Figures, text};

/// What a request may take to come in, and its answer to go out.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_REQUEST: usize = 8 << 10;
const MOST_HEADERS: usize = 64;
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// CPU time that the thread has taken, up to its last answer.
static CPU_NS: AtomicU64 = AtomicU64::new(0);

/// CPU time that answering has taken so far, in nanoseconds: of no stage, and in no figure.
pub(super) fn cpu_ns() -> u64 {
    CPU_NS.load(Ordering::Relaxed)
}

/// Serves these figures at this address; gives the address with its port.
///
/// # Errors
/// If nothing can listen there, or no thread can be started.
pub(super) fn serve(address: SocketAddr, figures: Arc<Mutex<Figures>>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    threads::start("metrics", move || {
        for stream in listener.incoming() {
            // Who leaves before the answer has it is nobody's fault here.
            let _ = stream.and_then(|stream| answer(stream, || text(&figures)));
            CPU_NS.store(thread_cpu_ns(), Ordering::Relaxed);
        }
    })?;
    Ok(address)
}

fn answer(mut stream: TcpStream, metrics: impl FnOnce() -> String) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let (status, body) = match asked(&mut stream)? {
        Asked::Metrics => ("200 OK", metrics()),
        Asked::Elsewhere => ("404 Not Found", "metrics are at /metrics\n".to_owned()),
        Asked::OtherMethod => ("405 Method Not Allowed", "expected GET\n".to_owned()),
        Asked::Nonsense => ("400 Bad Request", "expected HTTP\n".to_owned()),
    };
    let kind = match status {
        "200 OK" => CONTENT_TYPE,
        _ => "text/plain; charset=utf-8",
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Metrics,
    Elsewhere,
    OtherMethod,
    Nonsense,
}

/// Reads a request's head, however slowly it comes, within [`PATIENCE`].
fn asked(stream: &mut TcpStream) -> io::Result<Asked> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut part)?;
        head.extend_from_slice(&part[..read]);
        match parse(&head) {
            Some(asked) => return Ok(asked),
            None if read == 0 || head.len() > LONGEST_REQUEST => return Ok(Asked::Nonsense),
            None => {}
        }
    }
}

/// What a request's head asks for; `None` until all of it is there.
fn parse(head: &[u8]) -> Option<Asked> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = Request::new(&mut headers);
    let asked = match request.parse(head) {
        Ok(Status::Partial) => return None,
        Err(_) => Asked::Nonsense,
        Ok(Status::Complete(_)) => {
            let path = request.path.unwrap_or_default().split('?').next();
            match (request.method, path) {
                (Some("GET"), Some("/" | "/metrics")) => Asked::Metrics,
                (Some("GET"), _) => Asked::Elsewhere,
                _ => Asked::OtherMethod,
            }
        }
    };
    Some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_understood_when_all_of_it_is_there() {
        for (head, expected) in [
            ("", None),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n", None),
            (
                "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                Some(Asked::Metrics),
            ),
            ("GET / HTTP/1.0\r\n\r\n", Some(Asked::Metrics)),
            ("GET /metrics?a=b HTTP/1.1\r\n\r\n", Some(Asked::Metrics)),
            ("GET /other HTTP/1.1\r\n\r\n", Some(Asked::Elsewhere)),
            ("POST /metrics HTTP/1.1\r\n\r\n", Some(Asked::OtherMethod)),
            ("\u{16}\u{3}\u{1}", Some(Asked::Nonsense)),
        ] {
            assert_eq!(parse(head.as_bytes()), expected, "{head:?}");
        }
    }
}
