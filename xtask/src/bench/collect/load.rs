//! What the server is loaded with: bodies, messages, senders with TLS, and an object that is made while it
//! is packed.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::quiet;
use crate::{Failure, process};

/// How many requests are under way at once.
const CLIENTS: usize = 4;

/// Events as JSON lines, at least so many bytes, and how many they are. Each differs from the others.
pub(super) fn body(bytes: usize) -> (Vec<u8>, usize) {
    let mut text = String::with_capacity(bytes + 512);
    let mut events = 0;
    while text.len() < bytes {
        let n = events;
        let line = format!(
            "{{\"t\":\"2026-11-20T{:02}:{:02}:{:02}.{:03}Z\",\"id\":\"{:016x}\",\"action\":\"{}\",\
             \"user\":\"user{}@example.com\",\"ip\":\"203.0.113.{}\",\"status\":{},\"bytes\":{},\
             \"path\":\"/api/v2/projects/{}/objects/{}\",\"agent\":\"Mozilla/5.0 (X11; Linux x86_64) \
             AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0 Safari/537.36\",\"session\":{{\"id\":\
             \"{:08x}\",\"mfa\":{},\"groups\":[\"staff\",\"g{}\"]}}}}",
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n % 1000,
            (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4,
            ["login", "read", "write", "delete", "list"].get(n % 5).unwrap_or(&"read"),
            n % 977,
            n % 251,
            [200, 201, 304, 403, 404].get(n % 5).unwrap_or(&200),
            n * 37 % 100_000,
            n % 389,
            n * 7919 % 1_000_003,
            100 + n % 30,
            n * 31 % 65_521,
            n % 3 == 0,
            n % 17,
        );
        text.push_str(&line);
        text.push('\n');
        events += 1;
    }
    (text.into_bytes(), events)
}

/// Posts a body so many times, over a few connections at once.
pub(super) fn post(port: u16, body: &[u8], times: usize) -> Result<(), Failure> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let share = (times + CLIENTS - 1 - client) / CLIENTS;
                scope.spawn(move || (0..share).try_for_each(|_| post_one(port, body)))
            })
            .collect();
        joined(clients)
    })
}

fn joined(threads: Vec<thread::ScopedJoinHandle<'_, Result<(), Failure>>>) -> Result<(), Failure> {
    threads.into_iter().try_for_each(|thread| {
        thread.join().unwrap_or_else(|_| Err("a client has stopped".to_owned()))
    })
}

fn post_one(port: u16, body: &[u8]) -> Result<(), Failure> {
    let head = format!(
        "POST /ingest/app HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer secret\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let exchange = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = exchange().map_err(|error| format!("a request failed: {error}"))?;
    if reply.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    Err(format!("a request was refused: {}", reply.lines().next().unwrap_or_default()))
}

/// Messages of RFC 5424 with their lengths in front, and how many they are.
pub(super) fn messages(count: usize) -> (Vec<u8>, usize) {
    let mut all = String::new();
    for n in 0..count {
        let message = format!(
            "<86>1 2026-11-20T08:{:02}:{:02}.{:03}Z host{} sshd {} - - Accepted publickey for user{} \
             from 203.0.113.{} port {} ssh2",
            n / 60 % 60,
            n % 60,
            n % 1000,
            n % 53,
            1000 + n,
            n % 211,
            n % 251,
            1024 + n * 13 % 60_000,
        );
        // Into a text, which always succeeds.
        write!(all, "{} {message}", message.len()).ok();
    }
    (all.into_bytes(), count)
}

/// Sends a stream of messages so many times, over a few connections at once.
pub(super) fn send(
    port: u16,
    stream: &[u8],
    times: usize,
    connections: usize,
) -> Result<(), Failure> {
    thread::scope(|scope| {
        let senders: Vec<_> = (0..connections)
            .map(|sender| {
                let share = (times + connections - 1 - sender) / connections;
                scope.spawn(move || {
                    let send = || {
                        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
                        (0..share).try_for_each(|_| connection.write_all(stream))
                    };
                    send().map_err(|error: std::io::Error| format!("a sender failed: {error}"))
                })
            })
            .collect();
        joined(senders)
    })
}

/// A certificate for a server on loopback, which its own key has signed.
pub(super) fn make_certificate(folder: &Path) -> Result<(), Failure> {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key \
        -out server.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -days 2";
    quiet(process::command("openssl", folder).args(words.split_whitespace()))
}

/// Connects so many senders with TLS at once, each of which sends so many messages.
pub(super) fn senders(
    root: &Path,
    port: u16,
    count: usize,
    messages: usize,
) -> Result<(), Failure> {
    let mut command = process::command("python3", root);
    command.args(["bench/collect/senders.py", &port.to_string()]);
    command.args([count.to_string(), messages.to_string()]);
    process::output(&mut command).map(drop)
}

/// Packs a part so many times over: what it is read from is never there as a whole.
pub(super) fn packed(path: &Path, part: &[u8], times: usize) -> Result<(), Failure> {
    let mut command = Command::new("zstd");
    command.args(["-q", "-f", "-1", "-o"]).arg(path);
    let fail = |error: std::io::Error| format!("`zstd`: {error}");
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(fail)?;
    let mut input = child.stdin.take().ok_or("`zstd` takes no input")?;
    (0..times).try_for_each(|_| input.write_all(part)).map_err(fail)?;
    drop(input);
    match child.wait().map_err(fail)? {
        status if status.success() => Ok(()),
        status => Err(format!("`zstd`: {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_it_says() {
        let (body, events) = body(10_000);
        assert!(body.len() >= 10_000);
        let lines: Vec<&[u8]> =
            body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), events);
        for line in lines {
            assert!(serde_json::from_slice::<serde_json::Value>(line).unwrap().is_object());
        }
        let (stream, count) = messages(3);
        let text = String::from_utf8(stream).unwrap();
        let (length, rest) = text.split_once(' ').unwrap();
        let (_, rest) = rest.split_at(length.parse().unwrap());
        assert!(rest.split_once(' ').unwrap().1.starts_with("<86>1 "));
        assert_eq!(count, 3);
    }
}
