//! Finds recorded answers through `POINTSMAN_CORPUS`, and ways to cut them.

use std::path::PathBuf;

/// The folder of one dialect's recordings; `None`, said aloud, when no corpus is named. A corpus that is named but not
/// there is a failure.
pub fn folder(dialect: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("POINTSMAN_CORPUS") else {
        println!("not run: POINTSMAN_CORPUS is not set");
        return None;
    };
    let folder = PathBuf::from(root).join(dialect);
    assert!(folder.is_dir(), "no recordings in {}", folder.display());
    Some(folder)
}

/// The recorded answers of a folder, by name: those sent as a stream, as bytes of a stream, and those sent as a body.
pub struct Answers {
    pub streams: Vec<(String, Vec<u8>)>,
    pub bodies: Vec<(String, Vec<u8>)>,
}

/// Reads all answers. `done` is what ends a stream that was recorded without its frames.
pub fn answers(folder: &std::path::Path, done: &str) -> Answers {
    let mut found = Answers {
        streams: Vec::new(),
        bodies: Vec::new(),
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let extension = path.extension().and_then(|it| it.to_str());
        match extension {
            Some("sse") => found.streams.push((name, bytes)),
            Some("txt") => {
                let chunks = String::from_utf8(bytes).unwrap();
                let mut stream: String = chunks
                    .lines()
                    .filter(|it| !it.is_empty())
                    .flat_map(|it| ["data: ", it, "\n\n"])
                    .collect();
                stream.push_str(done);
                found.streams.push((name, stream.into_bytes()));
            }
            Some("json") if !name.ends_with(".req.json") => found.bodies.push((name, bytes)),
            _ => {}
        }
    }
    found
}

/// Ways to cut `bytes` into pieces: by fixed lengths, byte for byte, and for short ones in two at every place.
pub fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    const SHORT: usize = 2000;
    let lengths = [1, 3, 64, 1000].into_iter();
    let places = if bytes.len() <= SHORT {
        0..bytes.len()
    } else {
        0..0
    };
    lengths
        .map(|length| bytes.chunks(length).collect())
        .chain(places.map(|at| vec![&bytes[..at], &bytes[at..]]))
}
