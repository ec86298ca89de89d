//! Faults before and inside the head of an answer: the provider is not there, leaves, says nothing, or nothing of its
//! protocol.

use super::fault::{Fault, Health, UNREACHABLE};
use super::suite::{ANTHROPIC, play};
use crate::support::frames;
use crate::support::frames::Reason;
use crate::support::script::Act;

/// In HTTP/2 the connection itself fails where the first frames do.
const NO_CONNECTION: Health = Health::Counted(&["upstream_unreachable", "upstream_bad_answer"]);
const NO_HEAD: Health = Health::Counted(&["first_byte_timeout"]);
const HEAD_SOON: &str = "first_byte: 1s, first_byte_whole: 1s";

const FAULTS: &[Fault] = &[
    Fault::absent("B1 connection refused").health(UNREACHABLE),
    Fault::new("B6 closes before it reads", |_| Act::unread().close()).health(NO_CONNECTION),
    Fault::new("B6 resets before it reads", |_| Act::unread().reset()).health(NO_CONNECTION),
    Fault::new("B7 reads all and closes", |scene| scene.play().close()),
    Fault::new("B7 reads all and resets", |scene| scene.play().reset()),
    Fault::new("B9 never answers", |scene| scene.play().hang())
        .timeouts(HEAD_SOON)
        .health(NO_HEAD),
    Fault::new("B9 never even reads", |_| Act::unread().hang())
        .timeouts(HEAD_SOON)
        .health(NO_HEAD),
    Fault::new("B10 garbage", |_| {
        Act::unread().send("SSH-2.0-poison\r\n").close()
    })
    .health(NO_CONNECTION),
    Fault::new("B10 HTTP/0.9", |_| {
        Act::unread().send("<html>poison</html>").close()
    })
    .health(NO_CONNECTION),
    Fault::new("B10 a head of 2 MiB", |scene| {
        let wide = "w".repeat(2 << 20);
        let head = [("content-type", "application/json"), ("x-wide", &wide)];
        scene.play().head(200, &head, Some(2)).data("{}").close()
    }),
    Fault::new("B10 1,000 headers", |scene| {
        let head = vec![("x-many", "1"); 1000];
        scene.play().head(200, &head, Some(2)).data("{}").close()
    }),
    Fault::new("B11 switches protocols", |scene| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
        scene.play().raw(head).close()
    })
    .http1(),
    Fault::new("B11 only informational heads", |scene| {
        (0..40)
            .fold(scene.play(), |play, _| play.informational())
            .close()
    }),
    Fault::new("B11 an informational head, then silence", |scene| {
        scene.play().informational().hang()
    })
    .timeouts(HEAD_SOON)
    .health(NO_HEAD),
    Fault::new("B12 two lengths", |scene| {
        let head = [
            ("content-type", "application/json"),
            ("content-length", "7"),
        ];
        scene.play().head(200, &head, Some(90)).data("{}").close()
    }),
    Fault::new("B12 a length that is none", |scene| {
        let head = [
            ("content-type", "application/json"),
            ("content-length", "-1"),
        ];
        scene.play().head(200, &head, None).data("{}").close()
    }),
    Fault::new("half a status line, then the end", |scene| {
        scene.play().raw("HTTP/1.1 20").close()
    })
    .http1(),
    Fault::new("half a head, then the end", |scene| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: appl";
        scene.play().raw(head).close()
    })
    .http1(),
    Fault::new("half a head, then a reset", |scene| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        scene.play().raw(head).reset()
    })
    .http1(),
    Fault::new("half a head, then silence", |scene| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        scene.play().raw(head).hang()
    })
    .http1()
    .timeouts(HEAD_SOON)
    .health(NO_HEAD),
    Fault::new("a head with a zero byte", |scene| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx: a\0b\r\n\r\n";
        scene.play().raw(head).close()
    })
    .http1(),
    Fault::new("D12 an unknown transfer coding", |scene| {
        let head = [
            ("content-type", "application/json"),
            ("transfer-encoding", "poison"),
        ];
        scene.play().head(200, &head, Some(2)).data("{}").close()
    })
    .http1(),
    Fault::new("half a head frame, then the end", |scene| {
        let head = frames::head(1, 200, &[("content-type", "application/json")]);
        scene.play().raw(&head[..20]).close()
    })
    .http2(),
    Fault::new("half a head frame, then silence", |scene| {
        let head = frames::head(1, 200, &[("content-type", "application/json")]);
        scene.play().raw(&head[..20]).hang()
    })
    .http2()
    .timeouts(HEAD_SOON)
    .health(NO_HEAD),
    Fault::new("a body before its head", |scene| {
        scene.play().data("poison").hang()
    })
    .http2(),
    Fault::new("a head on a stream that nobody opened", |scene| {
        let head = frames::head(77, 200, &[("content-type", "application/json")]);
        scene.play().raw(head).hang()
    })
    .http2(),
    Fault::new("a head that cannot be unpacked", |scene| {
        let mut head = frames::head(1, 200, &[("x", "1")]);
        head[9] = 0xff;
        scene.play().raw(head).hang()
    })
    .http2(),
    Fault::new("D13 the stream is refused", |scene| {
        scene.play().act().reset_frame(Reason::Refused)
    })
    .http2(),
    Fault::new("D13 the stream is cancelled", |scene| {
        scene.play().act().reset_frame(Reason::Cancel)
    })
    .http2(),
    Fault::new("D13 calm is asked for", |scene| {
        scene.play().act().reset_frame(Reason::EnhanceYourCalm)
    })
    .http2(),
    Fault::new("D13 goodbye, this stream not served", |scene| {
        scene
            .play()
            .act()
            .leave_frame(Reason::NoError, false)
            .close()
    })
    .http2(),
    Fault::new("D13 goodbye because of an error", |scene| {
        scene
            .play()
            .act()
            .leave_frame(Reason::Internal, false)
            .close()
    })
    .http2(),
    Fault::new(
        "D13 goodbye, this stream to be served, and the end",
        |scene| {
            scene
                .play()
                .act()
                .leave_frame(Reason::NoError, true)
                .close()
        },
    )
    .http2(),
    Fault::new("D13 a thousand pings, then the end", |scene| {
        let pings = frames::ping().repeat(1000);
        scene.play().raw(pings).close()
    })
    .http2(),
];

#[tokio::test]
async fn faults_before_the_head_are_never_seen() {
    play(ANTHROPIC, FAULTS).await;
}
