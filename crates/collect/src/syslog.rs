//! Syslog over the network: TCP, TLS and UDP.
//!
//! # Promise
//!
//! The protocol has no answers, so a sender never hears whether a message is stored. What was *read*
//! from a connection is stored: it is offered to the queue again and again until it is committed, and
//! an orderly end waits for that. What a sender had on the way when the process died, or a connection
//! broke, is lost; so is what UDP drops. Messages of one connection are stored in order as long as
//! commits go well.
//!
//! A listener that can't keep up reads no more from connections; over UDP the system drops then.

mod cut;
mod error;
mod gather;
mod senders;
mod stream;
mod tls;
mod validity;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base::{Clock, Explain as _, Timestamp, limits};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

pub use self::{
    cut::{Cut, SyslogCutter, SyslogForm},
    error::{SyslogError, SyslogTrouble},
    gather::Sorter,
    tls::SyslogTls,
};
use self::{gather::Gather, senders::Senders, stream::stopped};

/// After how long it is asked whether a silent sender is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long the next connection is waited for once dab is to end.
const ACCEPT_LAST: Duration = Duration::from_millis(50);
/// How long others are taken then: senders may come back again and again.
const DRAIN: Duration = Duration::from_millis(limits::SYSLOG_DRAIN_MILLISECONDS);

/// How long to wait when the system can't accept a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// The longest datagram there can be.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;

/// What carries messages.
#[derive(Debug, Clone)]
pub enum SyslogTransport {
    /// Connections in the clear.
    Tcp,
    /// Encrypted connections.
    Tls(SyslogTls),
    /// Datagrams.
    Udp,
}

/// How syslog is taken in.
#[derive(Debug, Clone)]
pub struct SyslogSettings {
    /// The address and port; port 0 takes any that is free.
    pub address: String,
    /// What carries messages.
    pub transport: SyslogTransport,
    /// See [`limits::SYSLOG_CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// See [`limits::SYSLOG_MESSAGE_BYTES_MAX`].
    pub message_bytes_max: usize,
    /// See [`limits::SYSLOG_IDLE_SECONDS`].
    pub idle: Duration,
    /// How many messages one address may send in a second; `None`: any number.
    pub messages_per_second_max: Option<u64>,
    /// How many bytes.
    pub bytes_per_second_max: Option<u64>,
}

impl SyslogSettings {
    /// The defaults.
    #[must_use]
    pub fn new(address: &str, transport: SyslogTransport) -> Self {
        Self {
            address: address.to_owned(),
            transport,
            connections_max: limits::SYSLOG_CONNECTIONS_MAX,
            message_bytes_max: limits::SYSLOG_MESSAGE_BYTES_MAX,
            idle: Duration::from_secs(limits::SYSLOG_IDLE_SECONDS),
            messages_per_second_max: None,
            bytes_per_second_max: None,
        }
    }
}

/// Troubles with senders, gathered by kind: senders could cause any number.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<BTreeMap<&'static str, SyslogTrouble>>);

impl Troubles {
    fn note(&self, error: SyslogError) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = kinds.get(error.code().0).map_or(0, |trouble| trouble.times) + 1;
        kinds.insert(error.code().0, SyslogTrouble { error, times });
    }

    /// Those since this was last asked.
    pub fn take(&self) -> Vec<SyslogTrouble> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kinds).into_values().collect()
    }
}

/// An open listener.
#[derive(Debug)]
pub struct SyslogListener {
    socket: Socket,
    address: SocketAddr,
    settings: SyslogSettings,
    troubles: Arc<Troubles>,
}

enum Socket {
    Stream(TcpListener, Option<TlsAcceptor>),
    Datagram(UdpSocket),
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stream(_, None) => "Tcp",
            Self::Stream(_, Some(_)) => "Tls",
            Self::Datagram(_) => "Udp",
        })
    }
}

/// What all connections of a listener share.
struct Shared {
    settings: SyslogSettings,
    form: SyslogForm,
    senders: Senders,
    clock: Arc<dyn Clock>,
    troubles: Arc<Troubles>,
    stop: watch::Receiver<bool>,
}

impl SyslogListener {
    /// When its certificate ends, if it has one and that can be read.
    #[must_use]
    pub fn certificate_ends(&self) -> Option<Timestamp> {
        match &self.settings.transport {
            SyslogTransport::Tls(tls) => validity::ends(&tls.certificate),
            SyslogTransport::Tcp | SyslogTransport::Udp => None,
        }
    }

    /// Opens the address, so that a mistake in it is found before anything runs.
    ///
    /// # Errors
    /// If it can't be opened, or what TLS needs can't be used.
    pub async fn bind(settings: SyslogSettings) -> Result<Self, SyslogError> {
        let address = settings.address.clone();
        let failed = |source| SyslogError::Listen { address: address.clone(), source };
        let socket = match &settings.transport {
            SyslogTransport::Udp => {
                let socket = UdpSocket::bind(&address).await.map_err(failed)?;
                let wanted = limits::SYSLOG_UDP_BUFFER_BYTES;
                if let Err(error) = SockRef::from(&socket).set_recv_buffer_size(wanted) {
                    tracing::debug!(%error, "the receive buffer stays as it is");
                }
                Socket::Datagram(socket)
            }
            transport => {
                let acceptor = match transport {
                    SyslogTransport::Tls(tls) => {
                        Some(tls::acceptor(tls).map_err(|reason| SyslogError::Tls {
                            address: address.clone(),
                            reason,
                        })?)
                    }
                    SyslogTransport::Tcp | SyslogTransport::Udp => None,
                };
                Socket::Stream(TcpListener::bind(&address).await.map_err(failed)?, acceptor)
            }
        };
        let bound = match &socket {
            Socket::Stream(listener, _) => listener.local_addr(),
            Socket::Datagram(socket) => socket.local_addr(),
        };
        let bound = bound.map_err(failed)?;
        Ok(Self { socket, address: bound, settings, troubles: Arc::default() })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes wrong while it runs.
    #[must_use]
    pub fn troubles(&self) -> Arc<Troubles> {
        Arc::clone(&self.troubles)
    }

    /// Takes messages in, written in a form for `sorter`, until `stop` says so; what was read is committed by then.
    pub async fn run(
        self,
        sorter: Arc<dyn Sorter>,
        form: SyslogForm,
        clock: Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
    ) {
        let (sender, receiver) = mpsc::channel(limits::SYSLOG_PIECES_MAX);
        let gather = Gather {
            sorter,
            clock: Arc::clone(&clock),
            troubles: Arc::clone(&self.troubles),
            stop: stop.clone(),
        };
        let settings = self.settings;
        let senders = Senders::new(settings.messages_per_second_max, settings.bytes_per_second_max);
        let troubles = self.troubles;
        let shared = Arc::new(Shared { settings, form, senders, clock, troubles, stop });
        let listening = async {
            match self.socket {
                Socket::Stream(listener, tls) => accept(listener, tls, &shared, sender).await,
                Socket::Datagram(socket) => datagrams(&socket, &shared, sender).await,
            }
        };
        tokio::join!(listening, gather.run(receiver));
    }
}

/// Accepts connections until dab is to end, and waits for theirs.
async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
    pieces: mpsc::Sender<Vec<u8>>,
) {
    let mut stop = shared.stop.clone();
    let connections_max = shared.settings.connections_max;
    let places = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    let mut until = None;
    loop {
        if places.available_permits() == 0 {
            shared.troubles.note(SyslogError::Full { connections_max });
        }
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            next = next => match next {
                Some(next) => next,
                None => break,
            },
            () = stopped(&mut stop) => {
                // The system has accepted these already, and their senders have sent.
                let until = *until.get_or_insert_with(|| Instant::now() + DRAIN);
                let next = until.min(Instant::now() + ACCEPT_LAST);
                match timeout_at(next, listener.accept()).await {
                    Ok(accepted) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => (place, accepted),
                        Err(_) => break,
                    },
                    Err(_) => break,
                }
            }
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let (shared, tls, pieces) = (Arc::clone(shared), tls.clone(), pieces.clone());
                connections.spawn(async move {
                    connection(stream, address.ip().to_canonical(), tls, &shared, pieces).await;
                    drop(place);
                });
            }
            Err(error) => {
                let (sender, reason) = ("a sender".to_owned(), error.to_string());
                shared.troubles.note(SyslogError::Connection { sender, reason });
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop((listener, pieces));
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    sender: IpAddr,
    tls: Option<TlsAcceptor>,
    shared: &Shared,
    pieces: mpsc::Sender<Vec<u8>>,
) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "the connection is not looked after");
    }
    let Some(tls) = tls else { return stream::read(stream, sender, shared, pieces).await };
    let mut stop = shared.stop.clone();
    let handshake =
        timeout(Duration::from_secs(limits::SYSLOG_HANDSHAKE_SECONDS), tls.accept(stream));
    let reason = tokio::select! {
        handshake = handshake => match handshake {
            Ok(Ok(stream)) => return Box::pin(stream::read(stream, sender, shared, pieces)).await,
            Ok(Err(error)) => format!("TLS could not be agreed on: {error}"),
            Err(_) => "it did not come to TLS in time".to_owned(),
        },
        () = stopped(&mut stop) => return,
    };
    shared.troubles.note(SyslogError::Connection { sender: sender.to_string(), reason });
}

/// Takes datagrams in until dab is to end.
async fn datagrams(socket: &UdpSocket, shared: &Shared, pieces: mpsc::Sender<Vec<u8>>) {
    let mut stop = shared.stop.clone();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut piece = Vec::new();
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stopped(&mut stop) => break,
        };
        match received {
            Ok((length, from)) => {
                let datagram = buffer.get(..length).unwrap_or_default();
                take(datagram, from.ip().to_canonical(), shared, &mut piece);
            }
            Err(error) => {
                let (sender, reason) = ("a sender".to_owned(), error.to_string());
                shared.troubles.note(SyslogError::Connection { sender, reason });
                sleep(ACCEPT_AGAIN).await;
            }
        }
        // What is in the system's buffer goes along.
        while piece.len() < DATAGRAM_BYTES_MAX
            && let Ok((length, from)) = socket.try_recv_from(&mut buffer)
        {
            let datagram = buffer.get(..length).unwrap_or_default();
            take(datagram, from.ip().to_canonical(), shared, &mut piece);
        }
        if !piece.is_empty() && pieces.send(std::mem::take(&mut piece)).await.is_err() {
            break;
        }
    }
    while let Ok((length, from)) = socket.try_recv_from(&mut buffer) {
        let datagram = buffer.get(..length).unwrap_or_default();
        take(datagram, from.ip().to_canonical(), shared, &mut piece);
        if piece.len() > limits::SYSLOG_REQUEST_BYTES {
            break;
        }
    }
    if !piece.is_empty() && pieces.send(piece).await.is_err() {
        tracing::error!("a message of syslog came after the end");
    }
}

/// Takes one datagram in, if its sender may send it.
fn take(datagram: &[u8], sender: IpAddr, shared: &Shared, out: &mut Vec<u8>) {
    let now = shared.clock.now();
    let name = sender.to_string();
    if shared.senders.wait(sender, now).is_some() {
        shared.troubles.note(SyslogError::Rate { sender: name });
        return;
    }
    let bytes_max = shared.settings.message_bytes_max;
    let mut cutter = SyslogCutter::new(shared.form, &name, bytes_max);
    let messages = if datagram.len() > bytes_max {
        shared.troubles.note(SyslogError::TooLong { sender: name, bytes_max });
        cutter.cut(datagram, true, out).messages
    } else {
        cutter.datagram(datagram, out)
    };
    shared.senders.charge(sender, now, messages, datagram.len());
}

#[cfg(test)]
mod tests;
