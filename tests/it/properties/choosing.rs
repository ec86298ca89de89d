//! Choosing, simulated: routing, affinity and health put together as the proxy does it, hours in a moment and without a
//! socket. One provider stalls completely, and nobody notices but by a wait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use fastrand::Rng;
use pointsman::config::RouteCandidate;
use pointsman::config::Strategy;
use pointsman::health::Affinity;
use pointsman::health::BreakerPolicy;
use pointsman::health::Conversation;
use pointsman::health::EndpointHealth;
use pointsman::health::Permit;
use pointsman::health::Place;
use pointsman::health::Served;
use pointsman::health::Speaker;
use pointsman::health::Standing;
use pointsman::routing::StrategyState;
use pointsman::routing::Turn;
use pointsman::routing::Vitals;
use pointsman::routing::rank;

const ALL: [Strategy; 7] = [
    Strategy::Priority,
    Strategy::RoundRobin,
    Strategy::Random,
    Strategy::Weighted,
    Strategy::LeastBusy,
    Strategy::Fastest,
    Strategy::Cheapest,
];
const REQUESTS: u64 = 12_000;
const SESSIONS: u64 = 60;
/// Time between two requests: ten a second.
const PACE: Duration = Duration::from_millis(100);
/// How long a healthy endpoint takes.
const ANSWER: Duration = Duration::from_secs(2);
/// When an attempt without any content is given up.
const STALL: Duration = Duration::from_secs(20);
const COOLDOWN: Duration = Duration::from_secs(60);
const RETURN_AFTER: Duration = Duration::from_secs(60);
/// The outage, as seconds since the start.
const OUTAGE: std::ops::Range<u64> = 120..600;

/// A request on its way.
struct Trip {
    conversation: Conversation,
    began: Instant,
    /// Candidates still to be tried, the next one last.
    left: Vec<usize>,
    at: usize,
    /// Whether the attempt under way will come to nothing.
    stalls: bool,
    permit: Option<Permit>,
}

/// How often an endpoint was asked and served, during the outage and after it.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    asked_in_outage: usize,
    served_after: usize,
}

struct World {
    strategy: Strategy,
    start: Instant,
    candidates: Vec<RouteCandidate>,
    endpoints: Vec<Arc<EndpointHealth>>,
    state: StrategyState,
    affinity: Affinity,
    rng: Rng,
    trips: Vec<Trip>,
    /// What happens next: when, and to which trip.
    events: BinaryHeap<Reverse<(Instant, usize)>>,
    tallies: Vec<Tally>,
    longest: Duration,
}

impl World {
    fn new(strategy: Strategy, priorities: &[u32], seed: u64) -> World {
        let policy = BreakerPolicy {
            threshold: 2,
            window: Duration::from_secs(300),
            cooldown: COOLDOWN,
            reset_on_success: true,
        };
        let candidate = |(provider, priority): (usize, &u32)| RouteCandidate {
            provider,
            model: None,
            priority: *priority,
            weight: 1.0 + provider as f64,
            wish: pointsman::config::Wish::default(),
        };
        let health = |_: &u32| Arc::new(EndpointHealth::new(policy));
        World {
            strategy,
            start: Instant::now(),
            candidates: priorities.iter().enumerate().map(candidate).collect(),
            endpoints: priorities.iter().map(health).collect(),
            state: StrategyState::new(),
            affinity: Affinity::new(),
            rng: Rng::with_seed(seed),
            trips: Vec::new(),
            events: BinaryHeap::new(),
            tallies: vec![Tally::default(); priorities.len()],
            longest: Duration::ZERO,
        }
    }

    fn run(mut self) -> World {
        for i in 0..REQUESTS {
            let now = self.start + PACE * u32::try_from(i).unwrap();
            while self.events.peek().is_some_and(|next| next.0.0 <= now) {
                self.happen();
            }
            let session = (self.rng.u64(..SESSIONS)).to_string();
            let in_tool_loop = self.rng.u8(..) < 200;
            self.arrive(&session, in_tool_loop, now);
        }
        while !self.events.is_empty() {
            self.happen();
        }
        self
    }

    fn arrive(&mut self, session: &str, in_tool_loop: bool, now: Instant) {
        let conversation = self.affinity.conversation(Speaker {
            session,
            agent: None,
            route: "*",
            model: "m",
        });
        let trip = Trip {
            conversation,
            began: now,
            left: self.order(conversation, in_tool_loop, now),
            at: 0,
            stalls: false,
            permit: None,
        };
        self.trips.push(trip);
        self.go_on(self.trips.len() - 1, now);
    }

    fn order(
        &mut self,
        conversation: Conversation,
        in_tool_loop: bool,
        now: Instant,
    ) -> Vec<usize> {
        let home = self.affinity.home(conversation, now);
        let turn = if home.is_some() {
            Turn::LookedAt
        } else {
            Turn::Taken
        };
        let rng = &mut self.rng;
        let mut order = self
            .state
            .order_for(turn, self.strategy, "*", &self.candidates, rng);
        rank(self.strategy, &mut order, &self.candidates, |at| {
            let load = self.endpoints[at].load(now);
            Vitals {
                is_usable: self.endpoints[at].standing(now, "m", None) != Standing::Refused,
                in_flight: load.in_flight,
                ttft_ms: load.ttft_ms,
                price: Some(at as f64),
            }
        });
        if let Some(home) = home {
            let place = |at: &usize| Place {
                priority: self.candidates[*at].priority,
                is_home: home.is(&self.endpoints[*at], "m"),
                standing: self.endpoints[*at].standing(now, "m", None),
            };
            let before = order.clone();
            home.lead(&mut order, place, now, RETURN_AFTER, || in_tool_loop);
            // Whoever is led anywhere is led to where it may go.
            let moved = order.iter().zip(&before).find(|(a, b)| a != b);
            if let Some((led_to, _)) = moved {
                let standing = self.endpoints[*led_to].standing(now, "m", None);
                assert!(matches!(standing, Standing::Well(_)), "{standing:?}");
            }
        }
        order.reverse();
        order
    }

    /// The next candidate that lets the request in.
    fn go_on(&mut self, id: usize, now: Instant) {
        let outage = (now - self.start).as_secs();
        loop {
            let trip = &mut self.trips[id];
            let Some(at) = trip.left.pop() else {
                panic!("a request failed {outage} s in, under {:?}", self.strategy);
            };
            let Ok(permit) = self.endpoints[at].admit(now, "m", None) else {
                continue;
            };
            (trip.at, trip.permit) = (at, Some(permit));
            trip.stalls = at == 0 && OUTAGE.contains(&outage);
            let after = if trip.stalls { STALL } else { ANSWER };
            self.tallies[at].asked_in_outage += usize::from(OUTAGE.contains(&outage));
            self.events.push(Reverse((now + after, id)));
            return;
        }
    }

    fn happen(&mut self) {
        let Some(Reverse((now, id))) = self.events.pop() else {
            return;
        };
        let (at, conversation) = (self.trips[id].at, self.trips[id].conversation);
        let health = Arc::clone(&self.endpoints[at]);
        if self.trips[id].stalls {
            health.error(
                now.checked_sub(STALL).unwrap(),
                now,
                Some(id as u64),
                "stall",
            );
            self.trips[id].permit = None;
            self.go_on(id, now);
            return;
        }
        health.promising(now.checked_sub(ANSWER).unwrap(), now);
        health.success(now, ANSWER);
        let served = Served {
            health: &health,
            model: "m",
            key: None,
        };
        self.affinity
            .bind(conversation, served, now, Duration::from_secs(3600));
        self.trips[id].permit = None;
        self.longest = self.longest.max(now - self.trips[id].began);
        let over = OUTAGE.end + 300 < (now - self.start).as_secs();
        self.tallies[at].served_after += usize::from(over);
    }
}

#[test]
fn no_request_fails_while_another_provider_is_healthy() {
    for strategy in ALL {
        for priorities in [&[1, 1, 2][..], &[1, 2], &[2, 1], &[1, 1]] {
            let world = World::new(strategy, priorities, 7).run();
            let what = format!("{strategy:?} {priorities:?} {:?}", world.tallies);
            // Two stalls open the circuit, and then one trial at a time is all that waits: each request waits once.
            assert!(
                world.longest <= STALL + ANSWER,
                "{what} {:?}",
                world.longest
            );
            // Twenty seconds of requests meet the stall before anybody can know; then a trial a minute, or fewer.
            let unknowing = (STALL.as_millis() / PACE.as_millis()) as usize;
            assert!(world.tallies[0].asked_in_outage <= unknowing + 10, "{what}");
        }
    }
}

#[test]
fn after_an_outage_the_better_provider_gets_its_sessions_back() {
    for strategy in ALL {
        let world = World::new(strategy, &[1, 2], 11).run();
        let [better, worse] = world.tallies[..] else {
            panic!("two endpoints");
        };
        // A few sessions may be in a long chain of tool calls to the end.
        assert!(
            worse.served_after * 20 < better.served_after,
            "{strategy:?} {better:?} {worse:?}"
        );
    }
}
