//! The machine: clock, files that are written, limits, and variables that change things.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use super::report::Finding;
use crate::cli::files;
use crate::config::{Config, LoadOptions, Source, masked_address};

/// A clock that is off by more is told; by more than the second, tokens and certificates may be refused. Seconds.
const CLOCK: (i64, i64) = (30, 300);
/// Less room on a disk is told, and less than the second is too little. Bytes.
const ROOM: (u64, u64) = (500 << 20, 50 << 20);
/// Files besides those of connections.
const OTHER_FILES: u64 = 64;
/// Fewer files than that are soon used up.
const FEW_FILES: u64 = 1024;
/// Memory besides the bodies of requests. Bytes.
const OTHER_MEMORY: u64 = 128 << 20;

/// Variables that go before the file, so that it does not say what holds.
const OVERRIDES: [&str; 15] = [
    "PORT",
    "PROXY_ACCESS_KEY",
    "POINTSMAN_ADMIN_KEY",
    "POINTSMAN_CONFIG",
    "LOG_LEVEL",
    "REQUEST_TIMEOUT",
    "MAX_CONCURRENT_REQUESTS",
    "ENABLE_RATE_LIMIT",
    "RATE_LIMIT_WINDOW",
    "RATE_LIMIT_MAX_REQUESTS",
    "ENABLE_CORS",
    "CORS_ORIGIN",
    "ENABLE_REQUEST_LOGS",
    "ENABLE_RESPONSE_LOGS",
    "LOAD_BALANCE_STRATEGY",
];
/// Variables that send other programs through a proxy.
const PROXIES: [&str; 3] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];

/// What the clocks of providers say: each with how far it is ahead of ours.
pub fn clock(clocks: &[(String, i64)]) -> Vec<Finding> {
    // One provider may be wrong; the one in the middle hardly is.
    let mut sorted: Vec<&(String, i64)> = clocks.iter().collect();
    sorted.sort_by_key(|it| it.1);
    let Some((name, ahead)) = sorted.get(sorted.len() / 2) else {
        return Vec::new();
    };
    let (off, way) = (ahead.abs(), if *ahead < 0 { "ahead of" } else { "behind" });
    let text = format!("this machine's clock is {off} s {way} that of {name}");
    let remedy = "set it, and have it kept right: timedatectl set-ntp true";
    vec![if off < CLOCK.0 {
        Finding::good("this machine's clock agrees with the providers'")
    } else if off < CLOCK.1 {
        Finding::doubtful(text, remedy)
    } else {
        Finding::broken(
            format!("{text}: tokens and certificates may be refused"),
            remedy,
        )
    }]
}

/// Every file that is written.
pub fn stores(config: &Config, options: &LoadOptions) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(it) = &config.ledger {
        found.extend(store("ledger", &it.path));
    }
    if let (false, Some(path)) = (config.oauth.profiles.is_empty(), &config.oauth.store.path) {
        found.extend(store("accounts of OAuth", path));
    }
    if let Some(path) = &config.settings.log.file {
        found.extend(store("log", path));
    }
    if let Some(it) = &config.settings.capture {
        found.extend(store("captured bodies", &it.directory.join("file")));
    }
    if found.is_empty() {
        found.push(Finding::note(
            "nothing is written: neither ledger nor log file are configured",
        ));
    }
    found.extend(readable(config, options));
    found
}

/// Whether a file can be written, and for how long.
fn store(what: &str, path: &Path) -> Vec<Finding> {
    let shown = format!("{what} at {}", path.display());
    let dir = directory(path);
    let exists = path.exists();
    let asked = if exists { path } else { dir.as_path() };
    let needs = if exists {
        Access::WRITE_OK
    } else {
        Access::WRITE_OK | Access::EXEC_OK
    };
    if let Err(error) = access(asked, needs) {
        let why = std::io::Error::from(error).kind();
        return vec![Finding::broken(
            format!("{shown}: {} cannot be written: {why}", asked.display()),
            "give it to the user that Pointsman runs as, or write another path into the configuration",
        )];
    }
    let room = statvfs(&dir).map(|it| it.f_bavail.saturating_mul(it.f_frsize));
    let Ok(room) = room else {
        return vec![Finding::good(shown)];
    };
    let text = format!("{shown}: {} free", bytes(room));
    let remedy = "make room on that disk, or move the file to another one";
    vec![if room < ROOM.1 {
        Finding::broken(text, remedy)
    } else if room < ROOM.0 {
        Finding::doubtful(text, remedy)
    } else {
        Finding::good(text)
    }]
}

/// The nearest directory above a file that is there.
fn directory(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).find(|it| it.is_dir());
    match above {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Files with keys in them that others may read.
fn readable(config: &Config, options: &LoadOptions) -> Vec<Finding> {
    let Source::File(file) = &config.source else {
        return Vec::new();
    };
    let file = if file.is_absolute() {
        file.clone()
    } else {
        options.dir.join(file)
    };
    let mut files_with_keys = vec![file.clone()];
    if !options.no_env_file {
        files_with_keys.push(file.with_file_name(".env"));
    }
    let secrets = || {
        config
            .providers
            .iter()
            .flat_map(|it| &it.keys)
            .chain(&config.auth.keys)
    };
    files_with_keys.retain(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        files::is_read_by_others(path) && secrets().any(|it| text.contains(it.expose()))
    });
    let finding = |path: &PathBuf| {
        let path = path.display();
        Finding::doubtful(
            format!("{path} holds keys, and others on this machine may read it"),
            format!("chmod 600 {path}"),
        )
    };
    files_with_keys.iter().map(finding).collect()
}

/// What the system allows.
pub fn limits(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(files) = getrlimit(Resource::Nofile).current {
        let requests = files.saturating_sub(OTHER_FILES) / 2;
        let wanted = u64::try_from(config.settings.max_connections).unwrap_or(u64::MAX);
        let text = format!(
            "{files} open files allow about {requests} requests at once (max_connections: {wanted})"
        );
        found.push(if wanted <= requests {
            Finding::good(text)
        } else if FEW_FILES <= files {
            Finding::note(text).with("for more: ulimit -n, LimitNOFILE of systemd")
        } else {
            Finding::doubtful(
                text,
                "raise it: ulimit -n 65536, LimitNOFILE=65536 of systemd",
            )
        });
    }
    if let Some(memory) = memory() {
        let bodies = u64::try_from(config.settings.max_buffered_bytes).unwrap_or(u64::MAX);
        let text = format!(
            "{} of memory can be had; bodies of requests may take {} (max_buffered_bytes)",
            bytes(memory),
            bytes(bodies)
        );
        found.push(if bodies.saturating_add(OTHER_MEMORY) <= memory {
            Finding::good(text)
        } else {
            Finding::doubtful(
                text,
                "lower settings.max_buffered_bytes, or give it more memory",
            )
        });
    }
    found
}

/// What can be had of memory: of the machine, or of the container.
fn memory() -> Option<u64> {
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let line = all
        .lines()
        .find_map(|it| it.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let group = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let machine = kilobytes.saturating_mul(1024);
    let contained =
        group("memory.max").map(|max| max.saturating_sub(group("memory.current").unwrap_or(0)));
    Some(contained.map_or(machine, |it| it.min(machine)))
}

/// Variables that change things.
pub fn environment(options: &LoadOptions) -> Vec<Finding> {
    let env = &options.env;
    let set = |names: &[&'static str]| -> Vec<&str> {
        names
            .iter()
            .copied()
            .filter(|it| env.filled(it).is_some())
            .collect()
    };
    let mut found = Vec::new();
    let overriding = set(&OVERRIDES);
    if !overriding.is_empty() {
        found.push(Finding::note(format!(
            "set in this environment, and before what the file says: {}",
            overriding.join(", ")
        )));
    }
    let lower: Vec<String> = PROXIES.iter().map(|it| it.to_ascii_lowercase()).collect();
    let mut proxies: Vec<String> = set(&PROXIES).into_iter().map(str::to_owned).collect();
    proxies.extend(lower.into_iter().filter(|it| env.filled(it).is_some()));
    if !proxies.is_empty() {
        found.push(Finding::note(format!(
            "{} is set; a provider that goes through a proxy says `tunnel` above, and `proxy:` in the configuration decides",
            proxies.join(", ")
        )));
    }
    if let Some(own) = env.filled("ANTHROPIC_BASE_URL") {
        found.push(Finding::note(format!(
            "ANTHROPIC_BASE_URL is {} here: what Claude Code started in this shell uses unless its settings say otherwise",
            masked_address(own)
        )));
    }
    if found.is_empty() {
        found.push(Finding::good("no variable goes before the file"));
    }
    found
}

/// An amount of bytes for people.
fn bytes(amount: u64) -> String {
    let amount = amount as f64;
    for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
        if size <= amount {
            return format!("{:.1} {unit}", amount / size);
        }
    }
    format!("{amount} B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;
    use crate::config::{Env, from_text};

    #[test]
    fn one_wrong_clock_among_three_is_theirs() {
        let clocks = |them: &[i64]| -> Vec<(String, i64)> {
            them.iter().map(|it| ("a".to_owned(), *it)).collect()
        };
        assert!(clock(&[]).is_empty());
        assert_eq!(clock(&clocks(&[0, -1, 5000]))[0].level, Level::Good);
        assert_eq!(clock(&clocks(&[-60]))[0].level, Level::Doubtful);
        let broken = clock(&clocks(&[3600, 3601]));
        assert_eq!(broken[0].level, Level::Broken);
        assert!(broken[0].text.contains("3601 s behind"), "{broken:?}");
    }

    #[test]
    fn stores_are_writable_or_told_and_keys_are_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        let text = format!(
            "providers: [{{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}}]\n\
             ledger: {{path: {}}}\nsettings: {{log_file_path: /proc/none/log}}\n",
            dir.path().join("deep/below/usage.db").display()
        );
        fs::write(&file, &text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let options = LoadOptions::new(Env::default());
        let label = file.display().to_string();
        let config = from_text(&label, &text, dir.path(), &options).unwrap();
        let levels: Vec<Level> = stores(&config, &options)
            .iter()
            .map(|it| it.level)
            .collect();
        assert_eq!(levels, [Level::Good, Level::Broken, Level::Doubtful]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(stores(&config, &options).len(), 2);
    }

    #[test]
    fn variables_that_matter_are_told_without_their_values() {
        let env = Env::from([
            ("PORT", "1"),
            ("PROXY_ACCESS_KEY", "canary"),
            ("https_proxy", "http://u:canary@p"),
            ("ANTHROPIC_BASE_URL", "http://u:canary@h:1/x"),
        ]);
        let found = environment(&LoadOptions::new(env));
        let text = format!("{found:?}");
        assert!(
            text.contains("PORT, PROXY_ACCESS_KEY") && text.contains("https_proxy"),
            "{text}"
        );
        assert!(
            text.contains("http://***@h:1/x") && !text.contains("canary"),
            "{text}"
        );
        assert_eq!(bytes(1_500_000), "1.5 MB");
    }
}
