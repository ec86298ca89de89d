//! Good heads with streams that fail before their first content, and with answers in one piece that fail anywhere.

use super::fault::{Fault, Health, STATUS};
use super::play::{POISON, Play, Scene};
use super::suite::{ALL, play};
use super::words::{self, Trouble};
use crate::support::script::Act;

const SILENT: Health = Health::Counted(&["idle_timeout"]);
const NO_CONTENT: Health = Health::Counted(&["first_content_timeout"]);
const SOON: &str = "idle: 300ms";
const CONTENT_SOON: &str = "first_content: 1s";

/// A stream that has begun and reports trouble.
fn reports(scene: &Scene, trouble: Trouble) -> Act {
    let error = words::error_event(scene.dialect, trouble);
    scene.begun().data(error).end()
}

/// Half of the first event with content.
fn half_an_event(scene: &Scene) -> Play {
    let event = words::says(scene.dialect, POISON);
    scene.begun().data(&event[..event.len() / 2])
}

const STREAMS: &[Fault] = &[
    Fault::new("C14 a head, then the end", |scene| scene.head().close()),
    Fault::new("C14 a head, then a reset", |scene| scene.head().reset()),
    Fault::new("C14 a head, then silence", |scene| scene.head().hang())
        .timeouts(SOON)
        .health(SILENT),
    Fault::new("C14 a head, and no body", |scene| scene.head().end()),
    Fault::new("begun, then closed", |scene| scene.begun().close()),
    Fault::new("begun, then reset", |scene| scene.begun().reset()),
    Fault::new("begun, then ended in order", |scene| scene.begun().end()),
    Fault::new("begun, then silence", |scene| scene.begun().hang())
        .timeouts(SOON)
        .health(SILENT),
    Fault::new("begun, and no content in time", |scene| {
        scene.begun().hang()
    })
    .timeouts(CONTENT_SOON)
    .health(NO_CONTENT),
    Fault::new("closed inside an event", |scene| {
        half_an_event(scene).close()
    }),
    Fault::new("reset inside an event", |scene| {
        half_an_event(scene).reset()
    }),
    Fault::new("ended inside an event", |scene| half_an_event(scene).end()),
    Fault::new("silence inside an event", |scene| {
        half_an_event(scene).hang()
    })
    .timeouts(SOON)
    .health(SILENT),
    Fault::new("D3 broken", |scene| reports(scene, Trouble::Broken)).health(STATUS),
    Fault::new("D3 overloaded", |scene| reports(scene, Trouble::Overloaded)).health(Health::Quiet),
    Fault::new("D3 too fast", |scene| reports(scene, Trouble::Limited)).health(Health::KeyRests),
    Fault::new("D3 a bad key", |scene| reports(scene, Trouble::Refused)).health(Health::KeyBenched),
    Fault::new("D3 no money", |scene| reports(scene, Trouble::Credit)).health(Health::KeyRests),
    Fault::new("D3 an error and nothing else", |scene| {
        let error = words::error_event(scene.dialect, Trouble::Broken);
        scene.head().data(error).end()
    })
    .health(STATUS),
    Fault::new("D3 an error, and the connection stays open", |scene| {
        let error = words::error_event(scene.dialect, Trouble::Broken);
        scene.begun().data(error).hang()
    })
    .health(STATUS),
    Fault::new("D6 a line of 5 MiB", |scene| {
        let mut play = scene.begun().data("data: ");
        for _ in 0..5 {
            play = play.data(vec![b'x'; 1 << 20]);
        }
        play.hang()
    })
    .http1(),
    Fault::new("signs of life for 5 MiB, and no content", |scene| {
        let signs = words::sign_of_life(scene.dialect);
        let signs = signs.repeat((5 << 20) / signs.len());
        scene.begun().data(signs).hang()
    })
    .http1()
    .timeouts("first_content: 2s")
    .health(Health::Counted(&[
        "upstream_bad_answer",
        "first_content_timeout",
    ])),
    Fault::new("D11 nonsense in an event", |scene| {
        scene.begun().data(words::nonsense(scene.dialect)).end()
    }),
    Fault::new("C11 a page that calls itself a stream", |scene| {
        scene.head().data("<h1>poison</h1>\n\n").end()
    }),
    Fault::new("not even text", |scene| {
        scene.head().data([0, 159, 146, 150, b'\n', b'\n']).end()
    }),
];

/// A piece of a body whose head told the length of all of it.
fn half(scene: &Scene) -> Play {
    let whole = scene.whole();
    scene.head().data(&whole[..whole.len() / 2])
}

/// A body that ends with its connection.
fn until_the_end(scene: &Scene, body: &str) -> Act {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    scene.play().raw(head).raw(body).close()
}

/// Another body than an answer, complete by its framing.
fn body(scene: &Scene, body: &[u8]) -> Act {
    let head = [("content-type", "application/json")];
    scene
        .play()
        .head(200, &head, Some(body.len()))
        .data(body)
        .end()
}

/// Half a body in chunks.
fn half_in_chunks(scene: &Scene) -> Play {
    let (whole, head) = (scene.whole(), [("content-type", "application/json")]);
    scene
        .play()
        .head(200, &head, None)
        .data(&whole[..whole.len() / 2])
}

const WHOLE_ANSWERS: &[Fault] = &[
    Fault::new("D2 half a body, then the end", |scene| half(scene).close()),
    Fault::new("D2 half a body, then a reset", |scene| half(scene).reset()),
    Fault::new("D2 half a body, then silence", |scene| half(scene).hang())
        .timeouts(SOON)
        .health(SILENT),
    Fault::new("D2 half a body, and its end in order", |scene| {
        half(scene).end()
    })
    .http2(),
    Fault::new("C14 a head, then the end", |scene| scene.head().close()),
    Fault::new("C14 a head, then a reset", |scene| scene.head().reset()),
    Fault::new("C14 a head, then silence", |scene| scene.head().hang())
        .timeouts(SOON)
        .health(SILENT),
    Fault::new("D2 half a body in chunks, then the end", |scene| {
        half_in_chunks(scene).close()
    }),
    Fault::new("D2 half a body in chunks, then a reset", |scene| {
        half_in_chunks(scene).reset()
    }),
    Fault::new("D2 half a body in chunks, and their end", |scene| {
        half_in_chunks(scene).end()
    }),
    Fault::new("a chunk whose size is none", |scene| {
        let head = [("content-type", "application/json")];
        scene
            .play()
            .head(200, &head, None)
            .raw("poison\r\n{}\r\n")
            .close()
    })
    .http1(),
    Fault::new("D2 half a body that ends with its connection", |scene| {
        let whole = scene.whole();
        until_the_end(scene, &whole[..whole.len() / 2])
    })
    .http1(),
    Fault::new("no JSON", |scene| body(scene, b"poison")),
    Fault::new("JSON of another shape", |scene| {
        body(scene, b"{\"poison\":true}")
    }),
    Fault::new("nothing but null", |scene| body(scene, b"null")),
    Fault::new("an empty list", |scene| body(scene, b"[]")),
    Fault::new("nothing but blanks", |scene| body(scene, b" \r\n\t ")),
    Fault::new("not even text", |scene| {
        body(scene, b"{\"id\":\"\xff\xfe\"}")
    }),
    Fault::new("100,000 levels", |scene| {
        body(scene, "[".repeat(100_000).as_bytes())
    }),
    Fault::new("two bodies", |scene| {
        let twice = scene.whole().repeat(2);
        body(scene, twice.as_bytes())
    }),
];

#[tokio::test]
async fn streams_that_fail_before_content_are_never_seen() {
    let rows: Vec<Fault> = STREAMS.iter().map(|row| row.sse()).collect();
    play(ALL, &rows).await;
}

#[tokio::test]
async fn whole_answers_that_fail_anywhere_are_never_seen() {
    let rows: Vec<Fault> = WHOLE_ANSWERS.iter().map(|row| row.json()).collect();
    play(ALL, &rows).await;
}
