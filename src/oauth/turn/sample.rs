//! An account for tests.

use super::*;

/// Signed in at 1000, with a token that ends at 4600.
pub fn account(email: &str) -> Account {
    Account {
        profile: "p".to_owned(),
        email: email.to_owned(),
        login: 7,
        access: Secret::new("at".to_owned()),
        refresh: Some(Secret::new("rt".to_owned())),
        issued: 1000,
        ends: Some(4600),
        scopes: Vec::new(),
        id: None,
        name: None,
        created: 1000,
        refreshed: None,
        needs_login: None,
        lease: None,
    }
}
