//! What the service manager hears: the notification protocol of systemd, datagrams of `NAME=value` lines.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager, if one listens.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

/// What the environment says about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotifyEnv<'e> {
    /// `NOTIFY_SOCKET`.
    pub socket: Option<&'e str>,
    /// `WATCHDOG_USEC`.
    pub watchdog_usec: Option<&'e str>,
    /// `WATCHDOG_PID`.
    pub watchdog_pid: Option<&'e str>,
}

/// Variables that are meant for the main process alone.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

impl Notify {
    /// Reads the environment.
    pub fn of(env: NotifyEnv<'_>) -> Notify {
        let Some(to) = env.socket.and_then(open) else {
            return Notify::default();
        };
        let ours = std::process::id().to_string();
        let watchdog = env
            .watchdog_usec
            .filter(|_| env.watchdog_pid.is_none_or(|pid| pid == ours))
            .and_then(|text| text.parse().ok())
            .filter(|usec| 0 < *usec)
            .map(Duration::from_micros);
        Notify {
            to: Some(to),
            watchdog,
        }
    }

    /// How often a sign of life is due: twice in the time that is allowed.
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    /// It serves.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// An upgrade is under way; [`Notify::ready`] ends it.
    pub fn reloading(&self, status: &str) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.say(&format!(
            "RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS={status}\n"
        ));
    }

    /// It drains.
    pub fn stopping(&self, status: &str) {
        self.say(&format!("STOPPING=1\nSTATUS={status}\n"));
    }

    /// One line for people.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={status}\n"));
    }

    /// The worker has answered.
    pub fn alive(&self) {
        self.say("WATCHDOG=1\n");
    }

    fn say(&self, text: &str) {
        if let Some((socket, to)) = &self.to
            && let Err(error) = socket.send_to_addr(text.as_bytes(), to)
        {
            log::debug!("the service manager cannot be told: {error}");
        }
    }
}

/// A path, or with `@` a name without one.
fn open(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    // A service manager that does not read must not stop us.
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut text = [0; 512];
        let count = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..count]).into_owned()
    }

    #[test]
    fn it_speaks_as_the_service_manager_wants_to_hear_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::of(NotifyEnv {
            socket: path.to_str(),
            watchdog_usec: Some("30000000"),
            watchdog_pid: None,
        });
        assert_eq!(notify.beat(), Some(Duration::from_secs(15)));
        notify.ready("serving");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=serving\n");
        notify.reloading("upgrading");
        let text = heard(&manager);
        assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{text}");
        notify.stopping("draining");
        assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=draining\n");
        notify.alive();
        assert_eq!(heard(&manager), "WATCHDOG=1\n");
    }

    #[test]
    fn a_name_without_a_path_is_understood() {
        let name = format!("pointsman-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = format!("@{name}");
        let notify = Notify::of(NotifyEnv {
            socket: Some(&socket),
            ..NotifyEnv::default()
        });
        notify.ready("x");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=x\n");
        assert_eq!(notify.beat(), None);
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let notify = Notify::of(NotifyEnv {
            socket: Some("/nowhere"),
            watchdog_usec: Some("1000"),
            watchdog_pid: Some("1"),
        });
        assert_eq!(notify.beat(), None);
        // Nobody listens: no harm.
        notify.ready("x");
    }
}
