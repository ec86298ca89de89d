//! HTTP/2 in the clear, with prior knowledge: a client and a provider.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use parking_lot::Mutex;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::soon;

/// One HTTP/2 connection.
pub struct H2Client {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// A whole answer over HTTP/2.
pub struct H2Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Drop for H2Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl H2Client {
    /// Connects and shakes hands.
    pub async fn connect(address: SocketAddr) -> H2Client {
        H2Client::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Shakes hands over a connection that is there already.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> H2Client {
        let (sender, connection) = soon("HTTP/2", h2::client::handshake(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        H2Client { sender, driver }
    }

    /// Waits until the other side has said that it goes away, and has gone.
    pub async fn goes_away(mut self) {
        let ended = soon("the end of the connection", &mut self.driver).await;
        ended.unwrap().unwrap();
        let refused = self.sender.clone().ready().await.err().unwrap();
        assert!(refused.is_go_away(), "{refused}");
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, target: &str, body: &[u8]) -> H2Reply {
        self.post_with(target, &[], body).await
    }

    /// The same with more headers.
    pub async fn post_with(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> H2Reply {
        let exchange = self.exchange("POST", target, headers, body);
        soon("an answer", exchange).await
    }

    /// A request without a body.
    pub async fn without_body(&self, method: &str, target: &str) -> H2Reply {
        soon("an answer", self.exchange(method, target, &[], &[])).await
    }

    async fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> H2Reply {
        let builder = http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1{target}"))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01");
        let more = |builder: http::request::Builder, (name, value): &(&str, &str)| {
            builder.header(*name, *value)
        };
        let request = headers.iter().fold(builder, more).body(()).unwrap();
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (response, mut upload) = sender.send_request(request, body.is_empty()).unwrap();
        if !body.is_empty() {
            upload
                .send_data(Bytes::copy_from_slice(body), true)
                .unwrap();
        }
        let (head, mut download) = response.await.unwrap().into_parts();
        let mut body = Vec::new();
        while let Some(data) = download.data().await {
            let data = data.unwrap();
            download
                .flow_control()
                .release_capacity(data.len())
                .unwrap();
            body.extend_from_slice(&data);
        }
        H2Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }
}

/// What an HTTP/2 provider saw.
#[derive(Clone, Default)]
pub struct H2Seen {
    /// Path and query.
    pub target: String,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

/// A provider that speaks nothing but HTTP/2 and says the same to everyone, as a stream of events unless told otherwise.
pub struct H2Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<H2Seen>>>,
    connections: Arc<Mutex<usize>>,
    accepting: JoinHandle<()>,
}

impl Drop for H2Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl H2Upstream {
    /// Answers every request with these events.
    pub async fn always(events: String) -> H2Upstream {
        H2Upstream::launch(events, Fate::Ends).await
    }

    /// Answers every request with this JSON.
    pub async fn always_json(body: String) -> H2Upstream {
        H2Upstream::launch(body, Fate::EndsJson).await
    }

    /// Resets every stream after these events; without events, instead of an answer.
    pub async fn resetting(events: String) -> H2Upstream {
        H2Upstream::launch(events, Fate::Resets).await
    }

    /// Answers every request with these events, and lets go of the connection with its first.
    pub async fn leaving(events: String) -> H2Upstream {
        H2Upstream::launch(events, Fate::Leaves).await
    }

    async fn launch(events: String, fate: Fate) -> H2Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (all, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock() += 1;
                tokio::spawn(serve(stream, events.clone(), fate, Arc::clone(&all)));
            }
        });
        H2Upstream {
            address,
            seen,
            connections,
            accepting,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<H2Seen> {
        self.seen.lock().clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        *self.connections.lock()
    }
}

/// What becomes of a stream after its events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ends,
    EndsJson,
    Resets,
    Leaves,
}

async fn serve(stream: TcpStream, events: String, fate: Fate, all: Arc<Mutex<Vec<H2Seen>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if fate == Fate::Leaves {
            connection.graceful_shutdown();
        }
        let (events, all) = (events.clone(), Arc::clone(&all));
        tokio::spawn(async move {
            let (head, mut upload) = request.into_parts();
            let mut body = Vec::new();
            while let Some(Ok(data)) = upload.data().await {
                upload.flow_control().release_capacity(data.len()).unwrap();
                body.extend_from_slice(&data);
            }
            all.lock().push(H2Seen {
                target: head.uri.path_and_query().unwrap().to_string(),
                headers: head.headers,
                body,
            });
            if fate == Fate::Resets && events.is_empty() {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                return;
            }
            let kind = match fate {
                Fate::EndsJson => "application/json",
                Fate::Ends | Fate::Resets | Fate::Leaves => "text/event-stream",
            };
            let answer = http::Response::builder()
                .header("content-type", kind)
                .body(())
                .unwrap();
            let mut download = respond.send_response(answer, false).unwrap();
            let ends = fate != Fate::Resets;
            download.send_data(Bytes::from(events), ends).unwrap();
            if !ends {
                // Once the events are on their way: a reset would overtake them.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                download.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        });
    }
}
