//! Streams that fail when the client has seen content, and oddities that take nothing away from an answer.

use super::fault::{Fault, Health, STATUS};
use super::play::{POISON, Play, Scene};
use super::suite::{ALL, play};
use super::words::{self, Trouble};
use crate::support::frames::Reason;
use crate::support::script::Act;

const SILENT: Health = Health::Counted(&["idle_timeout"]);
const SOON: &str = "idle: 300ms";

/// A stream that has said something and reports trouble.
fn reports(scene: &Scene, trouble: Trouble) -> Act {
    let error = words::error_event(scene.dialect, trouble);
    scene.said().data(error).end()
}

const BREAKS: &[Fault] = &[
    Fault::new("D1 closed", |scene| scene.said().close()),
    Fault::new("D1 reset", |scene| scene.said().reset()),
    Fault::new("D5 ended in order", |scene| scene.said().end()),
    Fault::new("D4 silence", |scene| scene.said().hang())
        .timeouts(SOON)
        .health(SILENT),
    Fault::new("D1 closed inside an event", |scene| {
        let event = words::says(scene.dialect, "never seen");
        scene.said().data(&event[..event.len() / 2]).close()
    }),
    Fault::new("D1 reset inside an event", |scene| {
        let event = words::says(scene.dialect, "never seen");
        scene.said().data(&event[..event.len() / 2]).reset()
    }),
    Fault::new("D4 silence inside an event", |scene| {
        let event = words::says(scene.dialect, "never seen");
        scene.said().data(&event[..event.len() / 2]).hang()
    })
    .timeouts(SOON)
    .health(SILENT),
    Fault::new("D3 broken", |scene| reports(scene, Trouble::Broken)).health(STATUS),
    Fault::new("D3 overloaded", |scene| reports(scene, Trouble::Overloaded)).health(Health::Quiet),
    Fault::new("D3 broken, and the connection stays open", |scene| {
        let error = words::error_event(scene.dialect, Trouble::Broken);
        scene.said().data(error).hang()
    })
    .health(STATUS),
    Fault::new("D3 broken, and the connection is closed", |scene| {
        let error = words::error_event(scene.dialect, Trouble::Broken);
        scene.said().data(error).close()
    })
    .health(STATUS),
    Fault::new("D6 a line of 5 MiB", |scene| {
        let mut play = scene.said().data("data: ");
        for _ in 0..5 {
            play = play.data(vec![b'x'; 1 << 20]);
        }
        play.hang()
    })
    // What is relayed untouched may be longer: then it is the silence that ends it.
    .timeouts("idle: 1s")
    .health(Health::Counted(&["upstream_bad_answer", "idle_timeout"])),
    Fault::new("D11 nonsense in an event", |scene| {
        let rest = words::nonsense(scene.dialect) + &rest(scene);
        scene.said().data(rest).end()
    })
    .translated(),
    Fault::new("D13 calm is asked for", |scene| {
        scene.said().act().reset_frame(Reason::EnhanceYourCalm)
    })
    .http2(),
    Fault::new("D13 the stream is cancelled", |scene| {
        scene.said().act().reset_frame(Reason::Cancel)
    })
    .http2(),
    Fault::new("D13 the stream ends without an error, but early", |scene| {
        scene.said().act().reset_frame(Reason::NoError)
    })
    .http2(),
    Fault::new("D13 goodbye, this stream not served", |scene| {
        scene
            .said()
            .act()
            .leave_frame(Reason::NoError, false)
            .close()
    })
    .http2(),
    Fault::new("D13 a rule of the protocol broken", |scene| {
        let act = scene.said().act();
        act.leave_frame(Reason::Protocol, true).close()
    })
    .http2(),
];

/// The rest of an answer that has begun.
fn rest(scene: &Scene) -> String {
    words::rest(scene.dialect, POISON)
}

const ODDITIES: &[Fault] = &[
    Fault::new("the answer's end, then the connection's", |scene| {
        scene.said().data(rest(scene)).close()
    })
    .behind_the_end(),
    Fault::new("the answer's end, then a reset", |scene| {
        scene.said().data(rest(scene)).reset()
    })
    .behind_the_end(),
    Fault::new("the answer's end, then silence", |scene| {
        scene.said().data(rest(scene)).hang()
    })
    .behind_the_end()
    .timeouts(SOON),
    Fault::new("D13 goodbye, and the rest", |scene| {
        let act = scene.said().act().leave_frame(Reason::NoError, true);
        act.data_frame(rest(scene)).end_frame()
    })
    .http2(),
    Fault::new("D7 comments, carriage returns, spaces left out", |scene| {
        let odd = scene
            .whole()
            .replace("data: ", "data:")
            .replace('\n', "\r\n");
        scene.head().data(": comment\r\n\r\n").data(odd).end()
    }),
    Fault::new("D7 byte by byte", |scene| {
        let whole = scene.whole();
        let bytes = whole.as_bytes().chunks(1);
        bytes.fold(scene.head(), Play::data).end()
    }),
    Fault::new("D12 trailers", |scene| {
        let head = scene.head().data(scene.whole());
        head.raw("0\r\nx-trailer: poison\r\n\r\n").act()
    })
    .http1(),
    Fault::new("B11 informational heads first", |scene| {
        let kind = [("content-type", "text/event-stream")];
        let play = scene.play().informational().informational();
        play.head(200, &kind, None).data(scene.whole()).end()
    }),
    Fault::new("C12 an answer in one piece for a stream", |scene| {
        let body = words::body(scene.dialect, POISON);
        let kind = [("content-type", "application/json")];
        scene
            .play()
            .head(200, &kind, Some(body.len()))
            .data(body)
            .end()
    }),
];

#[tokio::test]
async fn streams_that_break_after_content_are_told() {
    let rows: Vec<Fault> = BREAKS.iter().map(|row| row.told()).collect();
    play(ALL, &rows).await;
}

#[tokio::test]
async fn oddities_take_nothing_away() {
    let rows: Vec<Fault> = ODDITIES.iter().map(|row| row.served().sse()).collect();
    play(ALL, &rows).await;
}
