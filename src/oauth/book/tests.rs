//! Logins and accounts.

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn login(state: &str, email: Option<&str>, until: u64) -> Pending {
    Pending {
        state: secret(state),
        verifier: secret("v"),
        profile: "p".to_owned(),
        email: email.map(str::to_owned),
        until,
    }
}

#[test]
fn a_state_is_taken_once_and_in_time() {
    let mut book = Book::default();
    book.begin(login("a", None, 100), 0);
    book.begin(login("b", None, 100), 0);
    assert!(book.take(&secret("x"), 1).is_none());
    assert_eq!(book.take(&secret("a"), 99).unwrap().state, secret("a"));
    assert!(book.take(&secret("a"), 99).is_none());
    assert!(book.take(&secret("b"), 100).is_none());
    assert!(book.logins.is_empty());
}

#[test]
fn there_are_never_more_logins_than_allowed_and_the_oldest_goes() {
    let mut book = Book::default();
    for number in 0..100 {
        book.begin(login(&number.to_string(), None, 100), 0);
        assert!(book.logins.len() <= MAX_LOGINS);
    }
    assert!(book.take(&secret("67"), 1).is_none());
    assert!(book.take(&secret("68"), 1).is_some());
}

#[test]
fn a_bare_code_belongs_to_the_only_login_it_can_belong_to() {
    let mut book = Book::default();
    assert_eq!(book.take_only(None, 0), Err(0));
    book.begin(login("a", Some("a@b.c"), 100), 0);
    book.begin(login("b", Some("b@b.c"), 100), 0);
    assert_eq!(book.take_only(None, 0), Err(2));
    assert_eq!(book.take_only(Some("c@b.c"), 0), Err(0));
    assert_eq!(book.take_only(Some("b@b.c"), 0).unwrap().state, secret("b"));
    assert_eq!(book.take_only(None, 0).unwrap().state, secret("a"));
}

#[test]
fn secrets_come_back_from_the_text_and_debug_shows_none() {
    let mut book = Book::default();
    book.begin(login("state-1", None, 100), 0);
    book.keep(Account {
        refresh: Some(secret("refresh-1")),
        ..crate::oauth::turn::sample::account("a@b.c")
    });
    let text = serde_json::to_string(&book).unwrap();
    assert!(text.contains("state-1") && text.contains("refresh-1"));
    assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), book);
    let shown = format!("{book:?}");
    assert!(
        !shown.contains("state-1") && !shown.contains("refresh-1"),
        "{shown}"
    );
}
