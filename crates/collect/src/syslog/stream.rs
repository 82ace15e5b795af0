//! One sender's connection.

use std::{io, time::Duration};

use base::limits;
use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{Shared, SyslogCutter, SyslogError};

/// How much is read at a time.
const READ_BYTES: usize = 16 << 10;
/// How much of one sender's messages are handed on at a time.
const PIECE_BYTES: usize = 64 << 10;

/// How a connection came to its end.
enum End {
    /// The sender ended it.
    Closed,
    /// It brought nothing for too long.
    Idle,
    /// dab is to end.
    Stopped,
    /// It broke.
    Broken(io::Error),
}

/// Reads a connection to its end, or until dab is to end.
pub(super) async fn read<S>(
    mut stream: S,
    sender: std::net::IpAddr,
    shared: &Shared,
    pieces: mpsc::Sender<Vec<u8>>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let settings = &shared.settings;
    let name = sender.to_string();
    let cutter = SyslogCutter::new(shared.form, &name, settings.message_bytes_max);
    let buffer = BytesMut::new();
    let mut connection = Connection { cutter, buffer, sender, name, shared, pieces };
    let end = connection.read(&mut stream).await;
    let end = match end {
        End::Stopped => connection.drain(&mut stream).await,
        end => end,
    };
    connection.hand_on(true).await;
    if let End::Broken(error) = end {
        connection.trouble(|sender| SyslogError::Connection { sender, reason: error.to_string() });
    }
    // Says good-bye in TLS; that the other side is gone already is no matter.
    let gap = Duration::from_millis(limits::SYSLOG_DRAIN_GAP_MILLISECONDS);
    drop(timeout(gap, stream.shutdown()).await);
}

struct Connection<'s> {
    cutter: SyslogCutter,
    /// What was read, up to what is handed on.
    buffer: BytesMut,
    sender: std::net::IpAddr,
    name: String,
    shared: &'s Shared,
    pieces: mpsc::Sender<Vec<u8>>,
}

impl Connection<'_> {
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> End {
        let mut stop = self.shared.stop.clone();
        loop {
            let end = tokio::select! {
                end = self.read_once(stream, self.shared.settings.idle) => end,
                () = stopped(&mut stop) => Some(End::Stopped),
            };
            if let Some(end) = end {
                return end;
            }
            self.hand_on(false).await;
            if let Some(wait) = self.shared.senders.wait(self.sender, self.shared.clock.now()) {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stopped(&mut stop) => return End::Stopped,
                }
            }
        }
    }

    /// Reads what is on the way, as long as it comes without a gap.
    async fn drain<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> End {
        let until = Instant::now() + Duration::from_millis(limits::SYSLOG_DRAIN_MILLISECONDS);
        let gap = Duration::from_millis(limits::SYSLOG_DRAIN_GAP_MILLISECONDS);
        while Instant::now() < until {
            match self.read_once(stream, gap).await {
                None => self.hand_on(false).await,
                Some(End::Idle) => break,
                Some(end) => return end,
            }
        }
        End::Stopped
    }

    /// Reads once. Dropping the future loses nothing.
    async fn read_once<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        idle: Duration,
    ) -> Option<End> {
        self.buffer.reserve(READ_BYTES);
        match timeout(idle, stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => Some(End::Closed),
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(End::Broken(error)),
            Err(_) => Some(End::Idle),
        }
    }

    /// Hands on the messages that are complete; `last`: what is left, too.
    async fn hand_on(&mut self, last: bool) {
        let mut piece = Vec::new();
        let cut = self.cutter.cut(&self.buffer, last, &mut piece);
        self.buffer.advance(cut.consumed);
        if self.buffer.is_empty() && self.buffer.capacity() > PIECE_BYTES {
            self.buffer = BytesMut::new();
        }
        let now = self.shared.clock.now();
        self.shared.senders.charge(self.sender, now, cut.messages, cut.consumed);
        let bytes_max = self.shared.settings.message_bytes_max;
        if cut.too_long > 0 {
            self.trouble(|sender| SyslogError::TooLong { sender, bytes_max });
        }
        if cut.is_cut_off {
            self.trouble(|sender| SyslogError::CutOff { sender });
        }
        if !piece.is_empty() && self.pieces.send(piece).await.is_err() {
            tracing::error!("a message of syslog came after the end");
        }
    }

    fn trouble(&self, error: impl FnOnce(String) -> SyslogError) {
        self.shared.troubles.note(error(self.name.clone()));
    }
}

/// Waits until dab is to end.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stopped| *stopped).await.is_err() {
        tracing::debug!("the stop switch is gone");
    }
}
