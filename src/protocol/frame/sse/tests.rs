use super::*;
use proptest::prelude::*;

/// Event and data of each frame.
type Frames = Vec<(String, String)>;

fn decode(pieces: &[&[u8]]) -> Result<Frames, FrameTooLarge> {
    let mut frames = Frames::new();
    let mut sink = |frame: Frame<'_>| {
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        frames.push((text(frame.event), text(frame.data)));
        Ok::<(), FrameTooLarge>(())
    };
    let mut decoder = SseDecoder::new();
    for piece in pieces {
        decoder.push(piece, &mut sink)?;
    }
    decoder.finish(&mut sink)?;
    Ok(frames)
}

fn whole(text: &str) -> Frames {
    decode(&[text.as_bytes()]).unwrap()
}

fn data(frames: &[&str]) -> Frames {
    frames
        .iter()
        .map(|it| (String::new(), (*it).to_owned()))
        .collect()
}

fn gather(pieces: &[&[u8]]) -> Frames {
    let mut frames = Frames::new();
    let mut sink = |frame: Frame<'_>| {
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        frames.push((text(frame.event), text(frame.data)));
        Ok::<(), FrameTooLarge>(())
    };
    let mut decoder = SseDecoder::gathering_bare_json();
    for piece in pieces {
        decoder.push(piece, &mut sink).unwrap();
    }
    decoder.finish(&mut sink).unwrap();
    frames
}

#[test]
fn bare_json_is_gathered_where_it_is_expected_wherever_it_is_cut() {
    let text = "data: 1\r\n\r\nid: 7\r\n{\r\n  \"error\": {\r\n    \"data\": 1\r\n  }\r\n}\r\n";
    let bare = "{\n  \"error\": {\n    \"data\": 1\n  }\n}\n";
    for end in ["", "\r\n", "\r\n: here\r\n\r\n"] {
        let text = format!("{text}{end}");
        for at in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert_eq!(
                gather(&[head, tail]),
                data(&["1", bare]),
                "{end:?} cut at {at}"
            );
        }
        assert_eq!(whole(&text), data(&["1"]), "nobody else hears of it");
    }
    let between = "{\"error\":1}\n\ndata: 2\n\n";
    assert_eq!(
        gather(&[between.as_bytes()]),
        data(&["{\"error\":1}\n", "2"])
    );
    assert_eq!(gather(&[b"garbage\n\ndata: 2\n\n"]), data(&["2"]));
}

#[test]
fn bare_json_has_a_bound() {
    let mut decoder = SseDecoder::gathering_bare_json();
    let mut sink = |_: Frame<'_>| Ok::<(), FrameTooLarge>(());
    let line = format!("{{{}\n", "x".repeat(1 << 20));
    let given = (0..5).try_for_each(|_| decoder.push(line.as_bytes(), &mut sink));
    assert_eq!(given, Err(FrameTooLarge));
}

#[test]
fn lines_may_end_in_any_way() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["event: a", "data: 1", "", "data: 2", "data: 3", "", ""].join(end);
        assert_eq!(
            whole(&text),
            [
                ("a".to_owned(), "1".to_owned()),
                (String::new(), "2\n3".to_owned())
            ],
            "{end:?}"
        );
    }
}

#[test]
fn exactly_one_space_after_the_colon_is_not_data() {
    assert_eq!(
        whole("data:x\n\ndata: x\n\ndata:  x\n\n"),
        data(&["x", "x", " x"])
    );
}

#[test]
fn data_may_be_empty_and_a_field_may_lack_its_colon() {
    assert_eq!(
        whole("data\n\ndata:\n\ndata\ndata\n\n"),
        data(&["", "", "\n"])
    );
}

#[test]
fn comments_other_fields_and_events_without_data_are_skipped() {
    let text = ": ping\n\nid: 7\nretry: 10\ndatabase: no\nevent: lonely\n\ndata: x\n\n:\n\n\n\n";
    assert_eq!(whole(text), data(&["x"]));
}

#[test]
fn a_byte_order_mark_is_skipped_only_at_the_start() {
    assert_eq!(whole("\u{FEFF}data: x\n\n"), data(&["x"]));
    assert_eq!(whole("data: x\n\n\u{FEFF}data: y\n\n"), data(&["x"]));
}

#[test]
fn the_last_event_may_lack_its_end() {
    for text in ["data: x", "data: x\n", "data: x\r", "data: x\n\n"] {
        assert_eq!(whole(text), data(&["x"]), "{text:?}");
    }
}

#[test]
fn an_event_that_is_too_large_is_refused_however_it_arrives() {
    let line = format!("data: {}\n", "x".repeat(1 << 20));
    let fits = format!("{}\n", line.repeat(3));
    assert_eq!(decode(&[fits.as_bytes()]).unwrap().len(), 1);
    let large = line.repeat(5);
    assert_eq!(decode(&[large.as_bytes()]), Err(FrameTooLarge));
    let pieces: Vec<&[u8]> = large.as_bytes().chunks(1000).collect();
    assert_eq!(decode(&pieces), Err(FrameTooLarge));
    let endless = "x".repeat(5 << 20);
    let pieces: Vec<&[u8]> = endless.as_bytes().chunks(100_000).collect();
    assert_eq!(decode(&pieces), Err(FrameTooLarge));
    let one_line = format!("data: {endless}\n\n");
    assert_eq!(decode(&[one_line.as_bytes()]), Err(FrameTooLarge));
}

#[test]
fn an_error_of_the_sink_comes_through() {
    let mut decoder = SseDecoder::new();
    let given = decoder.push(b"data: x\n\n", |_| Err(FrameTooLarge));
    assert_eq!(given, Err(FrameTooLarge));
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    write_comment("still here", &mut out);
    write_frame("ping", b"{}", &mut out);
    write_frame("", b"[DONE]", &mut out);
    assert_eq!(
        decode(&[&out]).unwrap(),
        [
            ("ping".to_owned(), "{}".to_owned()),
            (String::new(), "[DONE]".to_owned())
        ]
    );
}

/// Pieces from which streams of all kinds are put together.
const PIECES: &[&str] = &[
    "data: ",
    "data:",
    "data",
    "event: ",
    "a",
    "é",
    "{\"x\":1}",
    ": c",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "\u{FEFF}",
    "id: 1",
];

/// The rules of the standard, on whole text, without regard to speed.
fn naive(text: &str) -> Frames {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut frames = Frames::new();
    let (mut event, mut lines) = (String::new(), Vec::new());
    for line in text.split('\n').chain([""]) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" if line.is_empty() => {
                if !lines.is_empty() {
                    frames.push((event.clone(), lines.join("\n")));
                }
                event.clear();
                lines.clear();
            }
            "data" => lines.push(value),
            "event" => value.clone_into(&mut event),
            _ => {}
        }
    }
    frames
}

proptest! {
    #[test]
    fn any_split_gives_what_the_standard_says(
        picks in proptest::collection::vec(0..PIECES.len(), 0..40),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let text: String = picks.iter().map(|it| PIECES[*it]).collect();
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|it| it.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(decode(&pieces).unwrap(), naive(&text));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode(&single).unwrap(), naive(&text));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let parts: Vec<&[u8]> = bytes.chunks(3).collect();
        prop_assert_eq!(decode(&parts), decode(&[&bytes]));
    }
}
