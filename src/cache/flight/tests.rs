//! What leaders and followers may rely on, whatever the order of their steps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::cache::{Boarding, Call, Key, Keys, Tenant, Who};
use crate::error::FaultKind;
use crate::types::Dialect;

fn key() -> Key {
    let call = Call {
        dialect: Dialect::Anthropic,
        query: None,
        rule: None,
        headers: &[],
        body: &[b"{}"],
    };
    Keys::default().key(Tenant::new(Who::Local, &[]), &call, None)
}

fn lead(flights: &Flights, key: Key) -> Lead {
    match flights.board(key, true) {
        Boarding::Lead(lead) => lead,
        other => panic!("{other:?}"),
    }
}

fn follow(flights: &Flights, key: Key) -> Follow {
    match flights.board(key, true) {
        Boarding::Follow(follow) => follow,
        other => panic!("{other:?}"),
    }
}

fn text(batch: &Batch) -> String {
    String::from_utf8(batch.pieces.concat()).unwrap()
}

fn piece(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn a_late_follower_gets_everything_from_the_start_and_in_the_same_memory() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    lead.head(StatusCode::OK, &HeaderMap::new());
    let first = piece("one ");
    lead.push(first.clone());
    let mut late = follow(&flights, key);
    lead.push(piece("two "));
    let batch = late.read(usize::MAX);
    assert_eq!(text(&batch), "one two ");
    assert_eq!(batch.pieces[0].as_ptr(), first.as_ptr());
    assert!(batch.head.is_some() && batch.ending.is_none());
    lead.push(piece("three"));
    lead.end(Ending::Whole);
    let batch = late.read(usize::MAX);
    assert_eq!(text(&batch), "three");
    assert!(matches!(batch.ending, Some(Ending::Whole)));
    assert_eq!(lead.answer().unwrap().pieces.len(), 3);
    assert_eq!(flights.view().under_way, 0);
    drop((late, lead));
    assert_eq!(flights.view().bytes, 0);
}

#[test]
fn nobody_boards_what_is_over_or_called_off() {
    let (flights, key) = (Flights::default(), key());
    let first = lead(&flights, key);
    first.end(Ending::Whole);
    let second = lead(&flights, key);
    assert!(!second.leave(), "nobody else listens");
    let third = lead(&flights, key);
    let seat = follow(&flights, key);
    assert!(third.leave(), "somebody listens");
    let another = follow(&flights, key);
    drop((seat, another));
    let _fourth = lead(&flights, key);
    drop(third);
    assert_eq!(
        flights.view().under_way,
        1,
        "the third takes only its own place"
    );
}

#[test]
fn who_may_not_follow_leads_or_stays_alone() {
    let (flights, key) = (Flights::default(), key());
    let Boarding::Lead(first) = flights.board(key, false) else {
        panic!("nobody leads yet");
    };
    assert!(matches!(flights.board(key, false), Boarding::Alone));
    drop(follow(&flights, key));
    drop(first);
    assert!(matches!(flights.board(key, false), Boarding::Lead(_)));
}

#[test]
fn a_lost_leader_is_told_and_the_first_word_stands() {
    let (flights, key) = (Flights::default(), key());
    let first = lead(&flights, key);
    let mut seat = follow(&flights, key);
    drop(first);
    assert!(matches!(
        seat.read(usize::MAX).ending,
        Some(Ending::Abandoned)
    ));
    let second = lead(&flights, key);
    let mut seat = follow(&flights, key);
    second.end(Ending::Cut {
        fault: Fault::new(FaultKind::UpstreamBadAnswer, "cut"),
        told: false,
    });
    second.end(Ending::Whole);
    second.push(piece("too late"));
    drop(second);
    let batch = seat.read(usize::MAX);
    assert!(matches!(batch.ending, Some(Ending::Cut { .. })) && batch.pieces.is_empty());
}

#[test]
fn beyond_the_bound_nobody_boards_and_who_was_too_slow_learns_so() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    let (mut quick, mut slow) = (follow(&flights, key), follow(&flights, key));
    let large = Bytes::from(vec![b'x'; 1024 * 1024]);
    for _ in 0..20 {
        lead.push(large.clone());
        let batch = quick.read(usize::MAX);
        assert_eq!((batch.pieces.len(), batch.lost), (1, false));
        assert!(flights.view().bytes <= MAX_LOG_BYTES);
    }
    assert!(slow.read(usize::MAX).lost);
    assert!(matches!(flights.board(key, true), Boarding::Lead(_)));
    lead.end(Ending::Whole);
    assert!(quick.read(usize::MAX).ending.is_some());
    assert!(lead.answer().is_none(), "its beginning is gone");
}

#[test]
fn a_log_that_nobody_can_want_is_let_go_of() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    for _ in 0..20 {
        lead.push(Bytes::from(vec![b'x'; 1024 * 1024]));
    }
    assert_eq!(flights.view().bytes, 0);
}

#[test]
fn a_batch_is_bounded_and_the_end_comes_with_the_last_piece() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    let mut seat = follow(&flights, key);
    for _ in 0..5 {
        lead.push(piece("12345"));
    }
    lead.end(Ending::Whole);
    let sizes: Vec<(usize, bool)> = (0..3)
        .map(|_| seat.read(10))
        .map(|batch| (batch.pieces.len(), batch.ending.is_some()))
        .collect();
    assert_eq!(sizes, [(2, false), (2, false), (1, true)]);
}

#[tokio::test]
async fn the_last_one_to_leave_ends_it() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    let (one, two) = (follow(&flights, key), follow(&flights, key));
    assert!(lead.leave());
    drop(one);
    let deserted = lead.deserted();
    tokio::pin!(deserted);
    let still = tokio::time::timeout(Duration::from_millis(5), &mut deserted).await;
    assert!(still.is_err(), "one still listens");
    drop(two);
    deserted.await;
    assert_eq!(flights.view().under_way, 0);
}

#[tokio::test]
async fn followers_are_woken_by_a_piece_and_by_the_end() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    let mut seat = follow(&flights, key);
    assert!(seat.read(usize::MAX).pieces.is_empty());
    lead.push(piece("x"));
    seat.changed().await;
    assert_eq!(seat.read(usize::MAX).pieces.len(), 1);
    lead.end(Ending::Whole);
    seat.changed().await;
    assert!(seat.read(usize::MAX).ending.is_some());
}

#[tokio::test(start_paused = true)]
async fn only_who_waits_for_more_crowds_the_leader() {
    let (flights, key) = (Flights::default(), key());
    let lead = lead(&flights, key);
    let patience = Duration::from_secs(2);
    let crowded = async |wait: u64| {
        let wait = Duration::from_secs(wait);
        tokio::time::timeout(wait, lead.crowded(patience))
            .await
            .is_ok()
    };
    assert!(!crowded(100).await, "nobody else");
    let _seat = follow(&flights, key);
    assert!(!crowded(1).await);
    assert!(crowded(3).await);
    lead.end(Ending::Whole);
    assert!(!crowded(100).await, "all has been said");
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Join(u8),
    Read(u8, usize),
    Drop(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Push),
        (0_u8..6).prop_map(Step::Join),
        (0_u8..6, 1_usize..20).prop_map(|(who, bytes)| Step::Read(who, bytes)),
        (0_u8..6).prop_map(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn everyone_gets_all_of_it_whenever_they_come_and_read(
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let (flights, key) = (Flights::default(), key());
        let lead = lead(&flights, key);
        let mut said = Vec::new();
        let mut heard: BTreeMap<u8, (Follow, Vec<u8>)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Push(byte) => {
                    let bytes = vec![byte; usize::from(byte % 7) + 1];
                    said.extend_from_slice(&bytes);
                    lead.push(Bytes::from(bytes));
                }
                Step::Join(who) => {
                    heard.entry(who).or_insert_with(|| (follow(&flights, key), Vec::new()));
                }
                Step::Read(who, bytes) => {
                    if let Some((seat, all)) = heard.get_mut(&who) {
                        all.extend(seat.read(bytes).pieces.concat());
                        prop_assert!(said.starts_with(all));
                    }
                }
                Step::Drop(who) => {
                    heard.remove(&who);
                }
            }
            prop_assert_eq!(lead.flight.followers(), heard.len());
        }
        lead.end(Ending::Whole);
        for (seat, mut all) in heard.into_values() {
            let mut seat = seat;
            loop {
                let batch = seat.read(5);
                all.extend(batch.pieces.concat());
                if batch.ending.is_some() {
                    break;
                }
            }
            prop_assert_eq!(&all, &said);
        }
        drop(lead);
        prop_assert_eq!(flights.view().bytes, 0);
    }
}
