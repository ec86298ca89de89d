//! Addresses, and what people paste.

use proptest::prelude::*;

use super::*;

fn text(it: Option<&Secret>) -> Option<&str> {
    it.map(Secret::expose)
}

#[test]
fn a_code_is_read_in_every_shape() {
    let table = [
        ("abc", Some("abc"), None),
        (" abc\n", Some("abc"), None),
        ("abc#xyz", Some("abc"), Some("xyz")),
        ("abc#", Some("abc"), None),
        ("abc&scope=1#xyz&more=2", Some("abc"), Some("xyz")),
        (
            "http://localhost:1/cb?code=a%2Fb&state=x%20y",
            Some("a/b"),
            Some("x y"),
        ),
        (
            "https://h/cb?x=1&code=abc&state=xyz#frag",
            Some("abc"),
            Some("xyz"),
        ),
        ("code=abc&state=xyz", Some("abc"), Some("xyz")),
        ("https://h/cb", None, None),
        ("https://h/cb?code=a&code=b&state=x", None, Some("x")),
        ("", None, None),
        ("#xyz", None, Some("xyz")),
    ];
    for (pasted, code, state) in table {
        let found = read_pasted(pasted);
        let found = (text(found.code.as_ref()), text(found.state.as_ref()));
        assert_eq!(found, (code, state), "{pasted}");
    }
    assert_eq!(
        read_pasted(&"a".repeat(MAX_PASTED + 1)),
        Returned::default()
    );
}

#[test]
fn an_error_is_told_on_one_short_line() {
    let found = read_query("error=access_denied&error_description=no%0A%1b%5B31m+way");
    assert_eq!(found.error.unwrap(), "access_denied: no  [31m way");
    let long = read_query(&format!("error={}", "x".repeat(5000)));
    assert_eq!(long.error.unwrap().len(), 200);
}

proptest! {
    /// What is escaped comes back as it was, and nothing in it ends a parameter.
    #[test]
    fn escapes_are_undone(text in any::<String>()) {
        let escaped = escaped(&text);
        prop_assert!(escaped.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.~%".contains(&it)));
        prop_assert_eq!(unescaped(&escaped), text);
    }

    /// Strangers write it: whatever it is, it is read without a word.
    #[test]
    fn anything_can_be_pasted(text in any::<String>()) {
        let _ = (read_pasted(&text), read_query(&text));
    }
}
