//! An HTTP/2 client in the clear, with prior knowledge.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::soon;

/// One HTTP/2 connection.
pub struct H2Client {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
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
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = soon("HTTP/2", h2::client::handshake(stream)).await.unwrap();
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        H2Client { sender, driver }
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, target: &str, body: &[u8]) -> H2Reply {
        soon("an answer", self.exchange(target, body)).await
    }

    async fn exchange(&self, target: &str, body: &[u8]) -> H2Reply {
        let request = http::Request::post(format!("http://127.0.0.1{target}"))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .body(())
            .unwrap();
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (response, mut upload) = sender.send_request(request, false).unwrap();
        upload
            .send_data(Bytes::copy_from_slice(body), true)
            .unwrap();
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
