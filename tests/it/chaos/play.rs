//! What a faulty provider does, said once for HTTP/1 and HTTP/2.

use pointsman::types::Dialect;

use super::words;
use super::words::Shape;
use crate::support::frames::Reason;
use crate::support::script::{Act, Gate};

/// How the provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 in the clear.
    Http2,
}

/// What a faulty provider was asked for, and when it may go on.
#[derive(Clone, Debug)]
pub struct Scene {
    pub dialect: Dialect,
    pub shape: Shape,
    pub protocol: Protocol,
    /// Opens when the client has been shown content.
    pub shown: Gate,
}

/// All that faulty providers ever say; nobody may hear it before the commit.
pub const POISON: &str = "poison apple";

/// How the end of a body is told in HTTP/1; HTTP/2 has one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Chunked,
    /// By its length, or by the end of the connection.
    Plain,
}

/// An answer being scripted.
pub struct Play {
    scene: Scene,
    body: Body,
    act: Act,
}

impl Scene {
    /// Reads the request.
    pub fn play(&self) -> Play {
        Play {
            scene: self.clone(),
            body: Body::Plain,
            act: match self.protocol {
                Protocol::Http1 => Act::new(),
                Protocol::Http2 => Act::frames(),
            },
        }
    }

    /// Reads the request and sends the head of a good answer.
    pub fn head(&self) -> Play {
        let kind = match self.shape {
            Shape::Json => "application/json",
            Shape::Sse => "text/event-stream; charset=utf-8",
        };
        let length = self.whole().len();
        let length = (self.shape == Shape::Json).then_some(length);
        self.play().head(200, &[("content-type", kind)], length)
    }

    /// A whole answer in the form that was asked for.
    pub fn whole(&self) -> String {
        words::good(self.dialect, self.shape, POISON)
    }

    /// The whole error answer of that status with further headers.
    pub fn refuses(&self, status: u16, headers: &[(&str, &str)], body: &str) -> Act {
        let mut all = headers.to_vec();
        if !headers.iter().any(|it| it.0 == "content-type") {
            all.push(("content-type", "application/json"));
        }
        let play = self.play().head(status, &all, Some(body.len()));
        play.data(body).end()
    }

    /// What comes before the content, with its head.
    pub fn begun(&self) -> Play {
        self.head().data(words::begin(self.dialect))
    }

    /// Begins an answer, and goes on when the client has seen a piece of its content.
    pub fn said(&self) -> Play {
        let said = words::says(self.dialect, POISON);
        self.begun().data(said).wait_until_shown()
    }
}

impl Play {
    /// A head before the head.
    pub fn informational(mut self) -> Play {
        let early = [("link", "</poison>")];
        if self.scene.protocol == Protocol::Http2 {
            self.act = self.act.head_frame(103, &early);
            return self;
        }
        self.raw("HTTP/1.1 103 Early Hints\r\nlink: </poison>\r\n\r\n")
    }

    /// The head of an answer; without a length a body is chunked.
    pub fn head(mut self, status: u16, headers: &[(&str, &str)], length: Option<usize>) -> Play {
        let length = length.map(|it| it.to_string());
        let mut all = vec![("x-poison", POISON)];
        all.extend_from_slice(headers);
        if let Some(length) = &length {
            all.push(("content-length", length));
        }
        if self.scene.protocol == Protocol::Http2 {
            self.act = self.act.head_frame(status, &all);
            return self;
        }
        if length.is_none() {
            self.body = Body::Chunked;
            all.push(("transfer-encoding", "chunked"));
        }
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in all {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(head + "\r\n")
    }

    /// Bytes past all framing.
    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Play {
        self.act = self.act.send(bytes);
        self
    }

    /// A piece of the body.
    pub fn data(mut self, data: impl AsRef<[u8]>) -> Play {
        self.act = match (self.scene.protocol, self.body) {
            (Protocol::Http2, _) => self.act.data_frame(data),
            (Protocol::Http1, Body::Chunked) => self.act.data(data),
            (Protocol::Http1, Body::Plain) => self.act.send(data),
        };
        self
    }

    fn wait_until_shown(mut self) -> Play {
        self.act = self.act.wait(&self.scene.shown);
        self
    }

    /// The end of the body in order.
    pub fn end(self) -> Act {
        match (self.scene.protocol, self.body) {
            (Protocol::Http2, _) => self.act.end_frame(),
            (Protocol::Http1, Body::Chunked) => self.act.end(),
            (Protocol::Http1, Body::Plain) => self.act,
        }
    }

    /// The connection is closed.
    pub fn close(self) -> Act {
        self.act.close()
    }

    /// The connection is reset, in HTTP/2 only the stream.
    pub fn reset(self) -> Act {
        match self.scene.protocol {
            Protocol::Http1 => self.act.reset(),
            Protocol::Http2 => self.act.reset_frame(Reason::Internal),
        }
    }

    /// Nothing more comes.
    pub fn hang(self) -> Act {
        self.act.hang()
    }

    /// Goes on with steps of one protocol.
    pub fn act(self) -> Act {
        self.act
    }
}
