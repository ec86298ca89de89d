//! Heads that say what is wrong, and answers of good status that are none.

use super::fault::{Fault, Health, STATUS};
use super::play::Scene;
use super::suite::{ANTHROPIC, play};
use super::words::{self, Trouble};
use crate::support::script::Act;

/// A refusal with the trouble's own words.
fn refuses(scene: &Scene, status: u16, headers: &[(&str, &str)], trouble: Trouble) -> Act {
    let body = words::error_body(scene.dialect, trouble);
    scene.refuses(status, headers, &body)
}

/// A server error, as a page of whatever stands in front of the provider.
fn page(scene: &Scene, status: u16) -> Act {
    let kind = [("content-type", "text/html")];
    scene.refuses(status, &kind, "<h1>poison: bad gateway</h1>")
}

fn plain(scene: &Scene, status: u16, text: &str) -> Act {
    let body = words::error_body(scene.dialect, Trouble::Broken);
    let body = body.replace("poison: internal error", text);
    let body = body.replace("server_error", "invalid_request_error");
    scene.refuses(
        status,
        &[],
        &body.replace("api_error", "invalid_request_error"),
    )
}

fn redirect(scene: &Scene, status: u16) -> Act {
    let to = [("location", "http://169.254.169.254/poison")];
    scene.refuses(status, &to, "")
}

/// A good status with something else than an answer.
fn good(scene: &Scene, headers: &[(&str, &str)], body: &str) -> Act {
    let play = scene.play().head(200, headers, Some(body.len()));
    if body.is_empty() {
        return play.end();
    }
    play.data(body).end()
}

const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

const REFUSALS: &[Fault] = &[
    Fault::new("C1 429, come back in a minute", |scene| {
        refuses(scene, 429, &[("retry-after", "60")], Trouble::Limited)
    })
    .health(Health::KeyRests),
    Fault::new("C2 429, come back in 2^63 s", |scene| {
        let after = [("retry-after", "9223372036854775808")];
        refuses(scene, 429, &after, Trouble::Limited)
    })
    .health(Health::KeyRests),
    Fault::new("C2 429, come back yesterday", |scene| {
        refuses(scene, 429, &[("retry-after", "-7")], Trouble::Limited)
    })
    .health(Health::KeyRests),
    Fault::new("C2 429, come back soon", |scene| {
        refuses(scene, 429, &[("retry-after", "soon")], Trouble::Limited)
    })
    .health(Health::KeyRests),
    Fault::new("C3 429 without a time", |scene| {
        refuses(scene, 429, &[], Trouble::Limited)
    })
    .health(Health::KeyRests),
    Fault::new("429 without a body", |scene| scene.refuses(429, &[], "")).health(Health::KeyRests),
    Fault::new("402 no money", |scene| {
        refuses(scene, 402, &[], Trouble::Credit)
    })
    .health(Health::KeyRests),
    Fault::new("400 no money", |scene| {
        refuses(scene, 400, &[], Trouble::Credit)
    })
    .health(Health::KeyRests),
    Fault::new("C4 529", |scene| {
        refuses(scene, 529, &[], Trouble::Overloaded)
    })
    .health(Health::Quiet),
    Fault::new("C4 529 with a time", |scene| {
        refuses(scene, 529, &[("retry-after", "3")], Trouble::Overloaded)
    })
    .health(Health::Quiet),
    Fault::new("C4 503 overloaded", |scene| {
        refuses(scene, 503, &[], Trouble::Overloaded)
    })
    .health(Health::Quiet),
    Fault::new("C6 401", |scene| refuses(scene, 401, &[], Trouble::Refused))
        .health(Health::KeyBenched),
    Fault::new("C6 403", |scene| plain(scene, 403, "poison: forbidden")).health(Health::KeyBenched),
    Fault::new("C8 404, the model is unknown", |scene| {
        plain(scene, 404, "poison: model not found")
    })
    .health(Health::ModelUnknown),
    Fault::new("408", |scene| plain(scene, 408, "poison: too slow")).health(STATUS),
    Fault::new("C7 400, the client's fault", |scene| {
        plain(scene, 400, "poison: messages.0: field required")
    })
    .as_sent(&[400]),
    Fault::new("C9 413", |scene| plain(scene, 413, "poison: too large")).as_sent(&[413]),
    Fault::new("422", |scene| plain(scene, 422, "poison: unprocessable")).as_sent(&[422, 400]),
];

const ERRORS: &[Fault] = &[
    Fault::new("C5 500", |scene| refuses(scene, 500, &[], Trouble::Broken)).health(STATUS),
    Fault::new("C5 502, a page", |scene| page(scene, 502)).health(STATUS),
    Fault::new("C5 524, a page", |scene| page(scene, 524)).health(STATUS),
    Fault::new("C5 500 without a body", |scene| scene.refuses(500, &[], "")).health(STATUS),
    Fault::new("C5 500, its body cut", |scene| {
        let play = scene.play().head(500, JSON, Some(90));
        play.data("{\"poison\"").close()
    }),
    Fault::new("C5 500, its body never ends", |scene| {
        let play = scene.play().head(500, JSON, Some(90));
        play.data("{\"poison\"").hang()
    })
    .timeouts("idle: 300ms")
    .health(Health::Counted(&["idle_timeout"])),
    Fault::new("C5 500 with 3 MiB of text", |scene| {
        scene.refuses(500, &[], &"poison ".repeat(450_000))
    }),
    Fault::new("C10 301", |scene| redirect(scene, 301)),
    Fault::new("C10 302", |scene| redirect(scene, 302)),
    Fault::new("C10 307", |scene| redirect(scene, 307)),
    Fault::new("304", |scene| scene.play().head(304, &[], None).end()),
    Fault::new("C11 an error in a 200", |scene| {
        good(
            scene,
            JSON,
            &words::error_body(scene.dialect, Trouble::Broken),
        )
    })
    .health(STATUS),
    Fault::new("C11 overloaded in a 200", |scene| {
        let body = words::error_body(scene.dialect, Trouble::Overloaded);
        good(scene, JSON, &body)
    })
    .health(Health::Quiet),
    Fault::new("C11 too fast in a 200", |scene| {
        let body = words::error_body(scene.dialect, Trouble::Limited);
        good(scene, JSON, &body)
    })
    .health(Health::KeyRests),
    Fault::new("C11 a bad key in a 200", |scene| {
        let body = words::error_body(scene.dialect, Trouble::Refused);
        good(scene, JSON, &body)
    })
    .health(Health::KeyBenched),
    Fault::new("C11 an empty 200", |scene| good(scene, JSON, "")),
    Fault::new("C11 an empty 200 of no type", |scene| good(scene, &[], "")),
    Fault::new("C11 a page in a 200", |scene| {
        good(scene, HTML, "<h1>poison: sign in</h1>")
    }),
    Fault::new("C11 204", |scene| scene.play().head(204, &[], None).end()),
    Fault::new("D8 gzip that nobody asked for", |scene| {
        let head = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        good(scene, &head, "\u{1f}\u{8b}poison")
    }),
];

#[tokio::test]
async fn refusals_are_never_seen_unless_they_are_the_clients() {
    play(ANTHROPIC, REFUSALS).await;
}

#[tokio::test]
async fn errors_and_answers_that_are_none_are_never_seen() {
    play(ANTHROPIC, ERRORS).await;
}
