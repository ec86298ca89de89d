//! `listeners`, with `settings.host` and `port` and `admin.listen` as their short forms → every address it listens on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::access::is_loopback;
use crate::config::fault::Report;
use crate::config::model::{Admin, Settings};
use crate::config::read::Reader;
use crate::config::settings::listen_host;
use crate::config::tls::{self, Tls};

/// What the listener of `settings.host` and `port` is called.
pub(super) const MAIN: &str = "edge";
/// What the listener of `admin.listen` is called.
const ADMIN: &str = "admin";
/// Longest path of a Unix socket that every system takes.
const MAX_SOCKET_PATH: usize = 100;
/// Who reaches a Unix socket: its user and group.
const DEFAULT_MODE: u32 = 0o660;

/// One address it listens on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// What it is called: `edge`, `listeners[0]`, `admin`.
    pub name: String,
    /// Where it is.
    pub address: ListenAddress,
    /// What it serves.
    pub surface: Surface,
    /// Whether HTTP/2 is spoken besides HTTP/1.1.
    pub http2: bool,
    /// Whether a load balancer announces the client at the beginning of each connection (PROXY protocol).
    pub proxy_protocol: bool,
    /// Certificates, where it is encrypted.
    pub tls: Option<Arc<Tls>>,
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port.
    Tcp {
        /// Host name or address, without brackets.
        host: String,
        /// 0 takes a free one.
        port: u16,
    },
    /// A Unix socket.
    Unix {
        /// Its file.
        path: PathBuf,
        /// The file's permissions.
        mode: u32,
    },
}

/// Which surface a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Everything.
    All,
    /// Everything but administration.
    Traffic,
    /// Administration only.
    Admin,
}

impl Surface {
    /// As the file says it.
    pub const WORDS: &[&str] = &["all", "traffic", "admin"];

    /// As the file says it.
    pub fn word(self) -> &'static str {
        match self {
            Surface::All => "all",
            Surface::Traffic => "traffic",
            Surface::Admin => "admin",
        }
    }

    fn of_word(word: &str) -> Surface {
        match word {
            "traffic" => Surface::Traffic,
            "admin" => Surface::Admin,
            _ => Surface::All,
        }
    }

    /// Whether models are called there.
    pub fn has_traffic(self) -> bool {
        self != Surface::Admin
    }
}

impl Listener {
    /// Whether it is the one of `settings.host` and `settings.port`.
    pub fn is_main(&self) -> bool {
        self.name == MAIN
    }

    /// Whether only this machine can reach it. A load balancer brings those of others.
    pub fn is_local(&self) -> bool {
        match &self.address {
            ListenAddress::Tcp { host, .. } => is_loopback(host) && !self.proxy_protocol,
            ListenAddress::Unix { .. } => true,
        }
    }

    /// Whether both are the same socket: of two configurations, or of one that is wrong.
    pub fn is_at_the_place_of(&self, other: &Listener) -> bool {
        match (&self.address, &other.address) {
            (ListenAddress::Tcp { host, port }, ListenAddress::Tcp { host: h, port: p }) => {
                host == h && port == p && (*port != 0 || self.name == other.name)
            }
            (ListenAddress::Unix { path, .. }, ListenAddress::Unix { path: p, .. }) => path == p,
            (ListenAddress::Tcp { .. }, ListenAddress::Unix { .. })
            | (ListenAddress::Unix { .. }, ListenAddress::Tcp { .. }) => false,
        }
    }

    /// The key that says where it is.
    pub fn path(&self) -> String {
        match self.name.as_str() {
            MAIN => "settings.host".to_owned(),
            ADMIN => "admin.listen".to_owned(),
            name => format!("{name}.address"),
        }
    }

    /// How it is called: `http`, `https`, `unix`.
    pub fn scheme(&self) -> &'static str {
        match (&self.address, &self.tls) {
            (ListenAddress::Unix { .. }, _) => "unix",
            (ListenAddress::Tcp { .. }, Some(_)) => "https",
            (ListenAddress::Tcp { .. }, None) => "http",
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ListenAddress::Tcp { host, port } => write!(f, "{host}:{port}"),
            ListenAddress::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads `listeners`, relative files from `dir`. The short form is the first one where it was `written`, and the only
/// one where nothing else is.
pub(super) fn listeners(
    top: &Reader<'_>,
    settings: &Settings,
    written: bool,
    dir: &Path,
    report: &mut Report,
) -> Vec<Listener> {
    let readers = top.list("listeners");
    let mut all = Vec::new();
    if written || !top.has("listeners") {
        all.push(Listener {
            name: MAIN.to_owned(),
            address: ListenAddress::Tcp {
                host: settings.host.clone(),
                port: settings.port,
            },
            surface: Surface::All,
            http2: true,
            proxy_protocol: settings.proxy_protocol,
            tls: None,
        });
    }
    if top.has("listeners") && readers.is_empty() && report.faults.is_empty() {
        report.fault(
            "listeners",
            "is an empty list; add `- address: 127.0.0.1:8080`, or remove the key",
        );
    }
    all.extend(readers.iter().filter_map(|it| listener(it, dir, report)));
    all
}

/// Adds the listener of `admin.listen`, and decides what those serve that do not say it: everything, or where there is
/// one for administration, everything else.
pub(super) fn complete(
    top: &Reader<'_>,
    all: &mut Vec<Listener>,
    admin: &Admin,
    report: &mut Report,
) {
    let address = admin.listen.as_deref();
    if let Some(Ok(address)) = address.map(tcp) {
        all.push(Listener {
            name: ADMIN.to_owned(),
            address,
            surface: Surface::Admin,
            http2: true,
            proxy_protocol: false,
            tls: None,
        });
    }
    if all.iter().any(|it| it.surface == Surface::Admin) {
        let says = |name: &str| {
            let readers = top.list("listeners");
            readers
                .iter()
                .any(|it| it.path == name && it.has("surface"))
        };
        for listener in all.iter_mut() {
            if listener.surface == Surface::All && !says(&listener.name) {
                listener.surface = Surface::Traffic;
            }
        }
    }
    if !all.is_empty() && !all.iter().any(|it| it.surface.has_traffic()) {
        report.fault(
            "listeners",
            "none of them serves models; add one with `surface: traffic`",
        );
    }
    check_places(all, report);
}

/// Two listeners need two addresses.
fn check_places(all: &[Listener], report: &mut Report) {
    for (i, listener) in all.iter().enumerate() {
        let earlier = all.iter().take(i);
        for other in earlier.filter(|it| it.is_at_the_place_of(listener)) {
            let whose = match other.name.as_str() {
                MAIN => "the main listener's".to_owned(),
                name => format!("that of {name}"),
            };
            let kind = match listener.address {
                ListenAddress::Tcp { .. } => "port",
                ListenAddress::Unix { .. } => "file",
            };
            report.fault_at(
                listener.path(),
                &listener.address.to_string(),
                format!("is {whose} address, too; take another {kind}"),
            );
        }
    }
}

fn listener(reader: &Reader<'_>, dir: &Path, report: &mut Report) -> Option<Listener> {
    let tls = reader
        .raw("tls")
        .and_then(|_| tls::tls(&reader.section("tls"), dir, report))
        .map(Arc::new);
    let text = reader.text("address")?;
    let parsed = match text.strip_prefix("unix:") {
        Some(path) => unix(path, reader.text("mode")),
        None => tcp(text),
    };
    let address = match parsed {
        Ok(address) => address,
        Err(remedy) => {
            report.fault_at(reader.at("address"), text, remedy);
            return None;
        }
    };
    let is_unix = matches!(address, ListenAddress::Unix { .. });
    if is_unix && reader.has("tls") {
        report.fault(
            reader.at("tls"),
            "is not for Unix sockets, which nobody can listen in on; remove it",
        );
    }
    if is_unix && reader.has("proxy_protocol") {
        report.fault(
            reader.at("proxy_protocol"),
            "is not for Unix sockets, which load balancers do not reach; remove it",
        );
    }
    if !is_unix && reader.has("mode") {
        report.warn(
            reader.at("mode"),
            "has no effect: only files of Unix sockets have permissions",
        );
    }
    Some(Listener {
        name: reader.path.clone(),
        address,
        surface: reader
            .choice("surface")
            .map_or(Surface::All, Surface::of_word),
        http2: reader.boolean("http2").unwrap_or(true),
        proxy_protocol: reader.boolean("proxy_protocol").unwrap_or(false),
        tls,
    })
}

/// `host:port`.
fn tcp(text: &str) -> Result<ListenAddress, String> {
    let expected = || "must be host:port, for example 127.0.0.1:8443, or unix:/path".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    if !port.bytes().all(|it| it.is_ascii_digit()) || host.contains(':') && !host.starts_with('[') {
        return Err(expected());
    }
    let port = port.parse().map_err(|_| expected())?;
    let host = listen_host(host)?;
    Ok(ListenAddress::Tcp { host, port })
}

fn unix(path: &str, mode: Option<&str>) -> Result<ListenAddress, String> {
    if !path.starts_with('/') || MAX_SOCKET_PATH < path.len() {
        return Err(format!(
            "must be unix: and an absolute path of at most {MAX_SOCKET_PATH} bytes"
        ));
    }
    let mode = match mode {
        None => DEFAULT_MODE,
        Some(text) => u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600)
            .ok_or("has a `mode` that is none; write it as chmod does, for example \"0660\"")?,
    };
    Ok(ListenAddress::Unix {
        path: PathBuf::from(path),
        mode,
    })
}
