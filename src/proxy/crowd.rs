//! How many connections each client address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::types::Network;

/// Connections by client address; as many entries as there are connections at most.
#[derive(Debug, Default)]
pub struct Crowd {
    connections: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection.
#[derive(Debug)]
pub struct Standing {
    crowd: Arc<Crowd>,
    client: IpAddr,
}

impl Crowd {
    /// A place for a connection from `address`, unless `most` are there already.
    pub fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Standing> {
        let client = Network::of_client(address);
        let mut connections = self.connections.lock();
        let count = connections.entry(client).or_default();
        if most <= *count {
            return None;
        }
        *count += 1;
        Some(Standing {
            crowd: Arc::clone(self),
            client,
        })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut connections = self.crowd.connections.lock();
        if let Some(count) = connections.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_nothing_is_remembered() {
        let crowd = Arc::new(Crowd::default());
        let (one, other) = ("1.2.3.4".parse().unwrap(), "4.3.2.1".parse().unwrap());
        let first = crowd.enter(one, 2).unwrap();
        let second = crowd.enter(one, 2).unwrap();
        assert!(crowd.enter(one, 2).is_none());
        assert!(crowd.enter(other, 2).is_some());
        drop(first);
        let third = crowd.enter(one, 2).unwrap();
        drop((second, third));
        assert!(crowd.connections.lock().is_empty());
    }
}
