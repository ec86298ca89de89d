//! Who gets what when.

use proptest::prelude::*;

use super::*;

const WHO: (&str, &str) = ("p", "a@b.c");
const LEAD: Duration = Duration::from_secs(300);

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn book(change: impl FnOnce(&mut Account)) -> Book {
    let mut account = sample::account(WHO.1);
    change(&mut account);
    Book {
        accounts: vec![account],
        logins: Vec::new(),
    }
}

fn asked(book: &mut Book, wish: &Wish, now: u64) -> Step {
    step(book, WHO, wish, LEAD, now)
}

fn plain(change: impl FnOnce(&mut Account), now: u64) -> Step {
    asked(&mut book(change), &Wish::default(), now)
}

fn ticket() -> Step {
    Step::Refresh(Ticket {
        refresh: secret("rt"),
        login: 7,
    })
}

#[test]
fn a_good_token_is_given_and_one_that_ends_soon_refreshed() {
    assert_eq!(plain(|_| (), 1000), Step::Give(secret("at"), 3600));
    assert_eq!(plain(|_| (), 4299), Step::Give(secret("at"), 301));
    for now in [4300, 4600, 9999] {
        assert_eq!(plain(|_| (), now), ticket(), "{now}");
    }
    // A life shorter than the lead is not refreshed at once.
    let short = |it: &mut Account| it.ends = Some(1100);
    assert_eq!(plain(short, 1049), Step::Give(secret("at"), 51));
    assert_eq!(plain(short, 1050), ticket());
}

#[test]
fn a_token_without_an_end_is_good_until_it_is_refused() {
    let endless = |it: &mut Account| (it.ends, it.refresh) = (None, None);
    assert_eq!(
        plain(endless, 99_999),
        Step::Give(secret("at"), UNTOLD_LIFE)
    );
    let wish = Wish {
        refused: Some(secret("at")),
        ..Wish::default()
    };
    let mut book = book(endless);
    let Step::Dead(why) = asked(&mut book, &wish, 2000) else {
        panic!("it has nothing to refresh with");
    };
    assert!(why.contains("was refused"), "{why}");
    // It stays so for everybody.
    assert!(matches!(
        asked(&mut book, &Wish::default(), 2001),
        Step::Dead(_)
    ));
}

#[test]
fn a_refused_token_is_refreshed_and_another_one_given() {
    let refused = |text: &str| Wish {
        refused: Some(secret(text)),
        ..Wish::default()
    };
    assert_eq!(asked(&mut book(|_| ()), &refused("at"), 2000), ticket());
    // Somebody else has refreshed it meanwhile.
    let given = asked(&mut book(|_| ()), &refused("old"), 2000);
    assert_eq!(given, Step::Give(secret("at"), 2600));
    let anyhow = Wish {
        anyhow: true,
        ..Wish::default()
    };
    assert_eq!(asked(&mut book(|_| ()), &anyhow, 2000), ticket());
}

#[test]
fn one_refreshes_at_a_time_and_a_lost_one_is_not_waited_for_longer_than_its_time() {
    let mut book = book(|_| ());
    assert_eq!(asked(&mut book, &Wish::default(), 4600), ticket());
    for now in [4600, 4600 + LEASE_SECONDS - 1] {
        assert_eq!(asked(&mut book, &Wish::default(), now), Step::Wait);
    }
    let later = 4600 + LEASE_SECONDS;
    assert_eq!(asked(&mut book, &Wish::default(), later), ticket());
    // A clock that was set back does not lock anybody out.
    assert_eq!(asked(&mut book, &Wish::default(), 4600 - 300), ticket());
}

#[test]
fn a_result_counts_only_for_what_it_began_with() {
    let Step::Refresh(ticket) = plain(|_| (), 4600) else {
        panic!("a refresh");
    };
    assert!(held(&mut book(|_| ()), WHO, &ticket).is_some());
    assert!(held(&mut book(|it| it.login = 8), WHO, &ticket).is_none());
    let rotated = |it: &mut Account| it.refresh = Some(secret("rt2"));
    assert!(held(&mut book(rotated), WHO, &ticket).is_none());
    assert!(held(&mut Book::default(), WHO, &ticket).is_none());
}

proptest! {
    /// Whatever the clock says: no two get the turn within one lease while neither gives it back.
    #[test]
    fn never_two_tickets_at_once(steps in prop::collection::vec(0..20_u64, 1..60)) {
        let mut book = book(|_| ());
        let (mut now, mut taken) = (5000, None::<u64>);
        for step in steps {
            now += step;
            if matches!(asked(&mut book, &Wish::default(), now), Step::Refresh(_)) {
                prop_assert!(taken.is_none_or(|at| at + LEASE_SECONDS <= now));
                taken = Some(now);
            }
        }
    }
}
