//! What time it is, as an argument: tests turn the clock by hand.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// Says what time it is.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// `None` is the machine's own.
    by_hand: Option<Arc<ByHand>>,
}

#[derive(Debug)]
struct ByHand {
    started: Instant,
    wall: SystemTime,
    passed: Mutex<Duration>,
}

impl Clock {
    /// The machine's own.
    pub fn system() -> Self {
        Self::default()
    }

    /// One that shows `wall` until it is turned.
    pub fn by_hand(wall: SystemTime) -> Self {
        let by_hand = ByHand {
            started: Instant::now(),
            wall,
            passed: Mutex::new(Duration::ZERO),
        };
        Clock {
            by_hand: Some(Arc::new(by_hand)),
        }
    }

    /// Turns a clock that is turned by hand; the machine's own stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(hand) = &self.by_hand {
            *hand.passed.lock() += by;
        }
    }

    /// For measuring: never jumps, but stands still while the machine sleeps.
    pub fn now(&self) -> Instant {
        match &self.by_hand {
            Some(hand) => hand.started + *hand.passed.lock(),
            None => Instant::now(),
        }
    }

    /// For agreeing with others: goes on while the machine sleeps, but may be set.
    pub fn wall(&self) -> SystemTime {
        match &self.by_hand {
            Some(hand) => hand.wall + *hand.passed.lock(),
            None => SystemTime::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_both_faces_move_together_and_only_when_turned() {
        let clock = Clock::by_hand(SystemTime::UNIX_EPOCH);
        let (now, wall) = (clock.now(), clock.wall());
        assert_eq!((clock.now(), clock.wall()), (now, wall));
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now() - now, Duration::from_secs(5));
        assert_eq!(clock.wall(), wall + Duration::from_secs(5));
    }
}
