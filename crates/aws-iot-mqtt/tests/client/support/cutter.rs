//! A TCP proxy between client and broker, which does to connections what networks do to them.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a connection after so many bytes, counted in both directions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Both ends get a reset.
    Reset { after: usize },
    /// Both ends are closed in the ordinary way of TCP.
    Close { after: usize },
    /// What the server sends is swallowed from then on; what the client sends goes through.
    HalfOpen { after: usize },
    /// Everything is swallowed from then on, and the connection stays open.
    BlackHole { after: usize },
    /// Bytes trickle through in pieces of this size.
    Slow { piece: usize },
}

/// Passes connections on to `target` on loopback.
pub(crate) struct Cutter {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    /// What becomes of the next connections; then nothing more happens.
    plan: Mutex<Vec<Trouble>>,
    /// Counted up to cut all connections that are open.
    cut: tokio::sync::watch::Sender<()>,
}

impl Cutter {
    pub(crate) fn start(target: u16, plan: impl IntoIterator<Item = Trouble>) -> Self {
        let mut plan: Vec<Trouble> = plan.into_iter().collect();
        plan.reverse();
        let state =
            Arc::new(State { target, plan: Mutex::new(plan), cut: tokio::sync::watch::channel(()).0 });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async { accept(TcpListener::from_std(listener).unwrap(), shared).await });
        });
        Self { port, state }
    }

    /// Cuts what is open now, with a reset.
    pub(crate) fn cut(&self) {
        self.state.cut.send_replace(());
    }

    /// Whether all the troubles have had their connection.
    pub(crate) fn is_through(&self) -> bool {
        self.state.plan.lock().unwrap().is_empty()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let trouble = state.plan.lock().unwrap().pop().unwrap_or(Trouble::None);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, state.target)).await else { return };
            let mut cut = state.cut.subscribe();
            let (mut client, mut server) = (client, server);
            let reset = tokio::select! {
                end = pass(&mut client, &mut server, trouble) => matches!(end, Ok(End::Reset)),
                _ = cut.changed() => true,
            };
            if reset {
                client.set_zero_linger().unwrap();
                server.set_zero_linger().unwrap();
            }
        });
    }
}

enum End {
    Closed,
    Reset,
}

async fn pass(client: &mut TcpStream, server: &mut TcpStream, trouble: Trouble) -> io::Result<End> {
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    let mut total = 0;
    loop {
        let (count, from_server) = tokio::select! {
            count = client.read(&mut up) => (count?, false),
            count = server.read(&mut down) => (count?, true),
        };
        if count == 0 {
            return Ok(End::Closed);
        }
        let bytes = if from_server { &down[..count] } else { &up[..count] };
        let before = total;
        total += count;
        let (passed, swallows) = match trouble {
            Trouble::None | Trouble::Slow { .. } => (count, false),
            Trouble::Reset { after } | Trouble::Close { after } | Trouble::BlackHole { after } => {
                (after.saturating_sub(before).min(count), false)
            }
            Trouble::HalfOpen { after } => {
                (if from_server { after.saturating_sub(before).min(count) } else { count }, true)
            }
        };
        let to: &mut TcpStream = if from_server { client } else { server };
        let piece = if let Trouble::Slow { piece } = trouble { piece } else { passed.max(1) };
        for piece in bytes[..passed].chunks(piece) {
            to.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
        if passed < count && !swallows {
            match trouble {
                Trouble::Reset { .. } => return Ok(End::Reset),
                Trouble::Close { .. } => return Ok(End::Closed),
                // Open, and deaf, until the client hangs up.
                _ => while client.read(&mut up).await? > 0 {},
            }
            return Ok(End::Closed);
        }
    }
}
