//! The file `.env`: names and keys, its owner's alone. Lines that are there stay as they are.

use crate::types::Secret;

/// The text with these variables in it; one that is there is replaced where it stands.
pub fn with(text: &str, entries: &[(String, Secret)]) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (name, secret) in entries {
        let line = format!("{name}={}", quoted(name, secret.expose())?);
        let is_it = |it: &&mut String| {
            let bare = it.trim_start();
            let bare = bare.strip_prefix("export ").unwrap_or(bare).trim_start();
            let rest = bare.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        // Of several the last one counts for the reader.
        match lines.iter_mut().rfind(is_it) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    let mut new = lines.join("\n");
    if !new.is_empty() {
        new.push('\n');
    }
    Ok(new)
}

/// A key as the file's readers take it word for word.
fn quoted(name: &str, text: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./+=:~@,".contains(it);
    if text.chars().all(plain) {
        Ok(text.to_owned())
    } else if !text.contains(['\'', '\\']) && text.chars().all(|it| it.is_ascii_graphic()) {
        Ok(format!("'{text}'"))
    } else {
        Err(format!(
            "{name}: that is no key: it holds a blank, a quote, a backslash or a letter outside ASCII"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_that_are_there_stay() {
        let entries = [
            ("A".to_owned(), Secret::new("x$y#z".to_owned())),
            ("N".to_owned(), Secret::new("1".to_owned())),
        ];
        let text = "# mine\nexport A = \"old\"\n\nAB=2";
        assert_eq!(
            with(text, &entries).unwrap(),
            "# mine\nA='x$y#z'\n\nAB=2\nN=1\n"
        );
        assert_eq!(with("", &[]).unwrap(), "");
        let bad = [("A".to_owned(), Secret::new("it's".to_owned()))];
        let why = with("", &bad).unwrap_err();
        assert!(!why.contains("it's"), "{why}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key in "[!-&(-\\[\\]-~]{1,40}") {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(".env");
            let entries = [("KEY".to_owned(), Secret::new(key.clone()))];
            std::fs::write(&path, with("OTHER=1\n", &entries).unwrap()).unwrap();
            let read: Vec<_> = dotenvy::from_path_iter(&path).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(read, [("OTHER".to_owned(), "1".to_owned()), ("KEY".to_owned(), key)]);
        }
    }
}
