//! The supervisor's decisions, without a process.

use proptest::prelude::*;

use super::*;

/// A machine and its clock.
struct Table {
    machine: Machine,
    now: Instant,
}

fn exit(code: u8) -> Exit {
    Exit {
        code,
        text: format!("exit code {code}"),
    }
}

impl Table {
    fn new() -> Table {
        Table {
            machine: Machine::default(),
            now: Instant::now(),
        }
    }

    /// One whose first worker serves.
    fn serving() -> Table {
        let mut table = Table::new();
        assert_eq!(table.step(Event::Start), [Action::Spawn(Generation(1))]);
        table.serves(1);
        assert_eq!(table.machine.state(), State::Serving);
        table
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.machine.step(event, self.now)
    }

    /// A candidate goes the whole way.
    fn serves(&mut self, number: u32) -> Vec<Action> {
        let it = Generation(number);
        assert_eq!(self.step(Event::Built(it)), [Action::Verify(it)]);
        assert_eq!(self.step(Event::Verified(it)), [Action::Open(it)]);
        self.step(Event::Opened(it))
    }
}

const A: Generation = Generation(1);
const B: Generation = Generation(2);
const C: Generation = Generation(3);
const ASKER: Asker = Asker::Caller(7);

#[test]
fn the_old_worker_drains_when_the_new_one_has_answered_through_its_doors() {
    let mut table = Table::serving();
    let asked = table.step(Event::Upgrade(ASKER));
    assert_eq!(asked, [Action::Spawn(B), Action::Tell(State::Upgrading)]);
    let done = table.serves(2);
    let expected = [
        Action::Adopt(B),
        Action::Signal(A, Sign::Drain),
        Action::Answer(ASKER, Ok(B)),
        Action::Tell(State::Serving),
    ];
    assert_eq!(done, expected);
    assert_eq!(table.machine.leaving(), 1);
    // Its drain is nothing new, and its end changes nothing.
    assert_eq!(table.step(Event::Leaving(A)), []);
    assert_eq!(table.step(Event::Exited(A, exit(0))), []);
    assert_eq!(table.machine.leaving(), 0);
}

#[test]
fn a_candidate_that_fails_before_its_doors_are_open_is_killed_and_nothing_else() {
    for failure in [
        Event::Failed(B, "no".to_owned()),
        Event::Late(B),
        Event::Exited(B, exit(3)),
    ] {
        let mut table = Table::serving();
        table.step(Event::Upgrade(ASKER));
        let has_ended = matches!(failure, Event::Exited(..));
        let done = table.step(failure);
        let killed = done.contains(&Action::Signal(B, Sign::Kill));
        assert_eq!(killed, !has_ended, "{done:?}");
        assert!(
            done.iter()
                .any(|it| matches!(it, Action::Answer(ASKER, Err(_)))),
            "{done:?}"
        );
        assert!(!done.contains(&Action::Signal(A, Sign::Drain)), "{done:?}");
        assert_eq!(table.machine.serving(), Some(A));
        assert_eq!(table.machine.state(), State::Serving);
        // What it says from its grave is not heard.
        assert_eq!(table.step(Event::Opened(B)), []);
        // And the next upgrade is as good as the first.
        table.step(Event::Upgrade(ASKER));
        assert!(table.serves(3).contains(&Action::Signal(A, Sign::Drain)));
    }
}

#[test]
fn a_candidate_with_open_doors_may_have_streams_and_is_not_killed() {
    let mut table = Table::serving();
    table.step(Event::Upgrade(ASKER));
    table.step(Event::Built(B));
    table.step(Event::Verified(B));
    let done = table.step(Event::Late(B));
    assert!(done.contains(&Action::Signal(B, Sign::Drain)), "{done:?}");
    assert_eq!(table.machine.serving(), Some(A));
}

#[test]
fn a_first_worker_that_fails_ends_the_supervisor() {
    for failure in [Event::Failed(A, "taken".to_owned()), Event::Late(A)] {
        let mut table = Table::new();
        table.step(Event::Start);
        let done = table.step(failure);
        assert!(
            matches!(done.last(), Some(Action::End(1, Some(_)))),
            "{done:?}"
        );
    }
}

#[test]
fn a_lost_worker_is_replaced_at_once_and_then_with_patience() {
    let mut table = Table::serving();
    let done = table.step(Event::Exited(A, exit(139)));
    assert_eq!(done, [Action::Spawn(B), Action::Tell(State::Recovering)]);
    assert!(table.serves(2).contains(&Action::Adopt(B)));
    let mut rests = Vec::new();
    for number in 2..12 {
        let done = table.step(Event::Exited(Generation(number), exit(139)));
        let Some(Action::Rest(rest, _)) = done.first() else {
            panic!("{done:?}");
        };
        rests.push(rest.as_secs());
        assert_eq!(
            table.step(Event::Rested),
            [Action::Spawn(Generation(number + 1))]
        );
        table.serves(number + 1);
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
    // One that has served for a while is forgiven.
    table.now += STEADY;
    let done = table.step(Event::Exited(Generation(12), exit(139)));
    assert_eq!(done[0], Action::Spawn(Generation(13)));
}

#[test]
fn one_that_was_told_to_end_by_others_is_replaced_while_it_drains() {
    let mut table = Table::serving();
    let done = table.step(Event::Leaving(A));
    assert_eq!(done[0], Action::Spawn(B));
    assert!(table.serves(2).contains(&Action::Adopt(B)));
    assert_eq!(table.machine.leaving(), 1);
}

#[test]
fn an_upgrade_helps_out_of_a_loop_of_losses() {
    let mut table = Table::serving();
    table.step(Event::Exited(A, exit(1)));
    table.step(Event::Failed(B, "broken".to_owned()));
    assert_eq!(table.machine.state(), State::Recovering);
    assert_eq!(table.step(Event::Upgrade(ASKER)), [Action::Spawn(C)]);
    // The wait that was under way starts no second one.
    assert_eq!(table.step(Event::Rested), []);
    assert!(table.serves(3).contains(&Action::Answer(ASKER, Ok(C))));
}

#[test]
fn who_serves_may_be_lost_while_its_successor_starts() {
    let mut table = Table::serving();
    table.step(Event::Upgrade(ASKER));
    let done = table.step(Event::Exited(A, exit(1)));
    assert_eq!(done, [Action::Tell(State::Recovering)]);
    let done = table.serves(2);
    assert!(done.contains(&Action::Answer(ASKER, Ok(B))), "{done:?}");
    assert!(!done.iter().any(|it| matches!(it, Action::Signal(..))));
}

#[test]
fn there_is_one_upgrade_at_a_time() {
    let refused = |table: &mut Table| {
        let done = table.step(Event::Upgrade(ASKER));
        matches!(done.as_slice(), [Action::Answer(ASKER, Err(_))])
    };
    let mut table = Table::new();
    table.step(Event::Start);
    assert!(refused(&mut table));
    let mut table = Table::serving();
    table.step(Event::Upgrade(Asker::Signal));
    assert!(refused(&mut table));
    table.step(Event::Stop);
    assert!(refused(&mut table));
}

#[test]
fn it_ends_with_the_code_of_who_served() {
    let mut table = Table::serving();
    let done = table.step(Event::Stop);
    let expected = [
        Action::Signal(A, Sign::Drain),
        Action::Tell(State::Draining),
    ];
    assert_eq!(done, expected);
    let done = table.step(Event::Exited(A, exit(9)));
    assert_eq!(done, [Action::End(9, None)]);
}

#[test]
fn a_stop_leaves_those_alone_that_drain_already_and_a_second_one_hurries_all() {
    let mut table = Table::serving();
    table.step(Event::Upgrade(ASKER));
    table.serves(2);
    table.step(Event::Upgrade(ASKER));
    // A second SIGTERM would cut the first worker's streams short.
    let done = table.step(Event::Stop);
    let expected = [
        Action::Signal(C, Sign::Kill),
        Action::Answer(ASKER, Err("it is being stopped".to_owned())),
        Action::Signal(B, Sign::Drain),
        Action::Tell(State::Draining),
    ];
    assert_eq!(done, expected);
    let done = table.step(Event::Stop);
    for generation in [A, B] {
        assert!(done.contains(&Action::Signal(generation, Sign::Quick)));
    }
    assert_eq!(table.step(Event::Exited(C, exit(137))), []);
    assert_eq!(table.step(Event::Exited(B, exit(0))), []);
    assert_eq!(
        table.step(Event::Exited(A, exit(0))),
        [Action::End(0, None)]
    );
}

#[test]
fn an_interrupt_hurries_at_once() {
    let mut table = Table::serving();
    let done = table.step(Event::Quick);
    assert_eq!(done[0], Action::Signal(A, Sign::Quick));
    assert_eq!(table.machine.state(), State::Draining);
}

fn any_event() -> impl Strategy<Value = Event> {
    let any = || (1_u32..6).prop_map(Generation);
    prop_oneof![
        6 => any().prop_map(Event::Built),
        6 => any().prop_map(Event::Verified),
        6 => any().prop_map(Event::Opened),
        2 => any().prop_map(|it| Event::Failed(it, "no".to_owned())),
        1 => any().prop_map(Event::Late),
        1 => any().prop_map(Event::Leaving),
        2 => any().prop_map(|it| Event::Exited(it, exit(1))),
        4 => Just(Event::Upgrade(ASKER)),
        2 => Just(Event::Rested),
        1 => Just(Event::Stop),
        1 => Just(Event::Quick),
    ]
}

proptest! {
    /// Whatever happens in whatever order: nobody is drained before somebody else was adopted, unless all is to end;
    /// and every caller gets one answer at most for each question.
    #[test]
    fn what_serves_is_never_ended_for_nothing(events in prop::collection::vec(any_event(), 0..60)) {
        let mut table = Table::new();
        table.step(Event::Start);
        let (mut questions, mut answers) = (0, 0);
        for event in events {
            let is_stop = matches!(event, Event::Stop | Event::Quick);
            questions += usize::from(matches!(event, Event::Upgrade(_)));
            let served = table.machine.serving();
            let was_stopping = table.machine.state() == State::Draining;
            let done = table.step(event);
            let adopts = done.iter().any(|it| matches!(it, Action::Adopt(_)));
            for action in &done {
                if let Action::Signal(whom, _) = action
                    && Some(*whom) == served
                {
                    prop_assert!(adopts || is_stop || was_stopping, "{done:?}");
                }
                answers += usize::from(matches!(action, Action::Answer(..)));
            }
            prop_assert!(answers <= questions);
            if done.iter().any(|it| matches!(it, Action::End(..))) {
                return Ok(());
            }
        }
    }
}
