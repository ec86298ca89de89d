//! Homes are kept, led to, left and bounded as told.

use proptest::prelude::*;

use super::*;
use crate::health::{BreakerPolicy, Refusal};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn health() -> Arc<EndpointHealth> {
    Arc::new(EndpointHealth::new(BreakerPolicy {
        threshold: 1,
        window: Duration::from_secs(300),
        cooldown: Duration::from_secs(30),
        reset_on_success: true,
    }))
}

fn speaker(session: &str) -> Speaker<'_> {
    Speaker {
        session,
        agent: None,
        route: "*",
        model: "m",
    }
}

fn served(health: &Arc<EndpointHealth>) -> Served<'_> {
    Served {
        health,
        model: "m",
        key: Some(7),
    }
}

/// Endpoints with priorities, and one conversation among them.
struct Scene {
    affinity: Affinity,
    places: Vec<(u32, Arc<EndpointHealth>)>,
    start: Instant,
}

impl Scene {
    fn of(priorities: &[u32]) -> Scene {
        Scene {
            affinity: Affinity::new(),
            places: priorities.iter().map(|it| (*it, health())).collect(),
            start: Instant::now(),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn bind(&self, at: usize, seconds: u64) {
        let conversation = self.affinity.conversation(speaker("s"));
        let served = served(&self.places[at].1);
        self.affinity
            .bind(conversation, served, self.at(seconds), HOUR);
    }

    fn order(&self, seconds: u64, in_tool_loop: bool) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        let now = self.at(seconds);
        let conversation = self.affinity.conversation(speaker("s"));
        if let Some(home) = self.affinity.home(conversation, now) {
            home.lead(
                &mut order,
                |at| Place {
                    priority: self.places[*at].0,
                    is_home: home.is(&self.places[*at].1, "m"),
                    standing: self.places[*at].1.standing(now, "m", None),
                },
                now,
                MINUTE,
                || in_tool_loop,
            );
        }
        order
    }
}

#[test]
fn a_home_is_first_among_equals_for_its_time() {
    let scene = Scene::of(&[1, 1, 1]);
    assert_eq!(scene.order(0, false), [0, 1, 2]);
    scene.bind(2, 0);
    assert_eq!(scene.order(3599, false), [2, 0, 1]);
    assert_eq!(scene.order(3600, false), [0, 1, 2]);
    scene.bind(1, 3600);
    scene.bind(1, 7100);
    assert_eq!(
        scene.order(9000, false),
        [1, 0, 2],
        "each answer counts anew"
    );
}

#[test]
fn a_session_that_was_pushed_down_comes_back_after_a_minute_and_not_between_a_call_and_its_result()
{
    let scene = Scene::of(&[1, 2, 2]);
    scene.bind(2, 0);
    assert_eq!(scene.order(59, false), [2, 0, 1]);
    assert_eq!(scene.order(60, true), [2, 0, 1]);
    assert_eq!(scene.order(60, false), [0, 2, 1]);
    // That it was served down there meanwhile does not make it stay longer.
    scene.bind(2, 50);
    assert_eq!(scene.order(60, false), [0, 2, 1]);
}

#[test]
fn the_minute_counts_from_when_the_better_one_is_well_again() {
    let scene = Scene::of(&[1, 2]);
    let better = &scene.places[0].1;
    scene.bind(1, 0);
    better.error(scene.at(0), scene.at(0), None, "500");
    assert_eq!(scene.order(29, false), [1, 0], "its circuit is open");
    assert_eq!(scene.order(31, false), [1, 0], "tried by others, not yet");
    drop(better.admit(scene.at(40), "m", None).unwrap());
    better.success(scene.at(50), Duration::from_secs(1));
    assert_eq!(scene.order(109, false), [1, 0]);
    assert_eq!(scene.order(110, false), [0, 1]);
}

#[test]
fn somebody_tries_the_better_one_after_its_rest() {
    let scene = Scene::of(&[1, 2]);
    scene.places[0]
        .1
        .error(scene.at(0), scene.at(0), None, "500");
    scene.bind(1, 0);
    assert_eq!(scene.order(60, false), [0, 1]);
    assert_eq!(scene.order(60, true), [1, 0]);
}

#[test]
fn a_home_that_cannot_be_asked_at_once_is_passed_over() {
    let scene = Scene::of(&[1, 1]);
    scene.bind(1, 0);
    let home = &scene.places[1].1;
    home.cool(scene.at(5), "overloaded");
    assert_eq!(scene.order(4, false), [0, 1]);
    assert_eq!(scene.order(5, false), [1, 0]);
    home.error(scene.at(6), scene.at(6), None, "500");
    assert_eq!(scene.order(7, false), [0, 1], "open");
    assert_eq!(
        scene.order(60, false),
        [0, 1],
        "no session is the trial of its home"
    );
}

#[test]
fn a_broken_stream_forgets_the_home_and_no_other() {
    let scene = Scene::of(&[1, 1]);
    let conversation = scene.affinity.conversation(speaker("s"));
    scene.bind(1, 0);
    scene.affinity.forget(conversation, &scene.places[0].1);
    assert_eq!(scene.order(0, false), [1, 0]);
    scene.affinity.forget(conversation, &scene.places[1].1);
    assert_eq!(scene.order(0, false), [0, 1]);
}

#[test]
fn sub_agents_begin_where_their_session_is_and_then_go_their_own_way() {
    let (affinity, now, one, two) = (Affinity::new(), Instant::now(), health(), health());
    let session = affinity.conversation(speaker("s"));
    let agent = affinity.conversation(Speaker {
        agent: Some("explore"),
        ..speaker("s")
    });
    affinity.bind(session, served(&one), now, HOUR);
    assert!(affinity.home(agent, now).unwrap().is(&one, "m"));
    affinity.bind(agent, served(&two), now, HOUR);
    assert!(affinity.home(agent, now).unwrap().is(&two, "m"));
    let home = affinity.home(session, now).unwrap();
    assert!(home.is(&one, "m") && !home.is(&one, "other"));
    assert_eq!(home.key(), Some(7));
}

#[test]
fn other_models_routes_and_sessions_are_other_conversations() {
    let affinity = Affinity::new();
    let here = affinity.conversation(speaker("s"));
    for other in [
        speaker("t"),
        Speaker {
            route: "r",
            ..speaker("s")
        },
        Speaker {
            model: "n",
            ..speaker("s")
        },
    ] {
        assert_ne!(affinity.conversation(other), here);
    }
    assert_eq!(affinity.conversation(speaker("s")), here);
}

#[test]
fn a_new_address_is_nobodys_home() {
    let (affinity, now) = (Affinity::new(), Instant::now());
    let conversation = affinity.conversation(speaker("s"));
    let old = health();
    affinity.bind(conversation, served(&old), now, HOUR);
    assert!(affinity.home(conversation, now).is_some());
    drop(old);
    assert!(affinity.home(conversation, now).is_none());
}

#[test]
fn homes_are_bounded_and_the_longest_unused_gives_way() {
    let (affinity, now, one) = (Affinity::new(), Instant::now(), health());
    let of = |i: usize| affinity.conversation(speaker(&i.to_string()));
    for i in 0..MAX_HOMES {
        affinity.bind(of(i), served(&one), now, HOUR);
    }
    affinity.bind(of(0), served(&one), now, HOUR);
    affinity.bind(of(MAX_HOMES), served(&one), now, HOUR);
    assert!(affinity.home(of(0), now).is_some(), "used again");
    assert!(affinity.home(of(1), now).is_none(), "the longest unused");
    let homes = affinity.homes.lock();
    assert_eq!(homes.by_conversation.len(), MAX_HOMES);
    assert_eq!(homes.by_use.len(), MAX_HOMES);
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Bind(usize),
    Error(usize),
    Cool(usize, u64),
    Succeed(usize),
    Forget(usize),
    Ask(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..90_u64).prop_map(Step::Pass),
        (0..4_usize).prop_map(Step::Bind),
        (0..4_usize).prop_map(Step::Error),
        (0..4_usize, 0..30_u64).prop_map(|(at, long)| Step::Cool(at, long)),
        (0..4_usize).prop_map(Step::Succeed),
        (0..4_usize).prop_map(Step::Forget),
        any::<bool>().prop_map(Step::Ask),
    ]
}

proptest! {
    /// Whatever happened before: nobody is lost, nobody but the home moves, and a home that moved up can be asked.
    #[test]
    fn affinity_never_leads_to_where_nobody_may_go(
        steps in prop::collection::vec(steps(), 1..60),
    ) {
        let scene = Scene::of(&[1, 1, 2, 3]);
        let mut clock = 0;
        for step in steps {
            let now = scene.at(clock);
            match step {
                Step::Pass(seconds) => clock += seconds,
                Step::Bind(at) => scene.bind(at, clock),
                Step::Error(at) => { scene.places[at].1.error(now, now, None, "500"); }
                Step::Cool(at, long) => scene.places[at].1.cool(scene.at(clock + long), "overloaded"),
                Step::Succeed(at) => scene.places[at].1.success(now, Duration::ZERO),
                Step::Forget(at) => {
                    let conversation = scene.affinity.conversation(speaker("s"));
                    scene.affinity.forget(conversation, &scene.places[at].1);
                }
                Step::Ask(in_tool_loop) => {
                    let order = scene.order(clock, in_tool_loop);
                    let moved: Vec<usize> = order.iter().copied().filter(|at| {
                        order.iter().position(|it| it == at) < Some(*at)
                    }).collect();
                    prop_assert!(moved.len() <= 1, "{order:?}");
                    let mut others = order.clone();
                    others.retain(|at| !moved.contains(at));
                    prop_assert!(others.is_sorted(), "{order:?}");
                    for at in moved {
                        let checked = scene.places[at].1.check(now, "m", None);
                        prop_assert!(checked.is_ok(), "{checked:?}");
                        prop_assert!(!matches!(checked, Err(Refusal::CircuitOpen(_))));
                    }
                }
            }
        }
    }
}
