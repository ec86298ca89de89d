//! The whole way: where the configuration is, what it says, what the environment overrides, and whether it all fits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::access;
use crate::config::classes;
use crate::config::edge;
use crate::config::egress::{self, Ways};
use crate::config::env::Env;
use crate::config::expand::Sources;
use crate::config::fault::{ConfigFault, Report};
use crate::config::import;
use crate::config::keys::TOP;
use crate::config::listeners::{self, Listener};
use crate::config::model::{Admin, Auth, Config, Provider, Settings, Source, Timeouts};
use crate::config::oauth::{self, OAuthSettings};
use crate::config::observe;
use crate::config::overrides::Overrides;
use crate::config::page;
use crate::config::provider;
use crate::config::read::Reader;
use crate::config::routes;
use crate::config::rules;
use crate::config::settings;
use crate::config::teams;
use crate::config::tree::{self, Node};
use crate::config::vendors;
use crate::config::walk::walk;
use crate::config::zed;

/// Looked for in this order, below the working directory.
const PLACES: &[&str] = &[
    "config.yaml",
    "providers.yaml",
    "config.json",
    "conf/pointsman.yaml",
    "/etc/pointsman/config.yaml",
];

/// What decides about a configuration besides the file.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The file asked for on the command line.
    pub config: Option<PathBuf>,
    /// The working directory, where files are looked for.
    pub dir: PathBuf,
    /// The environment.
    pub env: Env,
    /// Listen here instead.
    pub host: Option<String>,
    /// Listen on this port instead.
    pub port: Option<u16>,
    /// Do not read `.env` beside the configuration.
    pub no_env_file: bool,
    /// The demo, whatever files and environment say.
    pub demo: bool,
}

impl LoadOptions {
    /// What a process starts with that was given nothing.
    pub fn new(env: Env) -> Self {
        LoadOptions {
            config: None,
            dir: PathBuf::from("."),
            env,
            host: None,
            port: None,
            no_env_file: false,
            demo: false,
        }
    }
}

/// What loading came to.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or all its faults, in file order as far as they have one.
    pub outcome: Result<Config, Vec<ConfigFault>>,
    /// The files that decided about it, also such as are not there: what to watch.
    pub files: BTreeSet<PathBuf>,
}

/// Loads and checks. All faults are returned at once, in file order as far as they have one.
pub fn load(options: &LoadOptions) -> Result<Config, Vec<ConfigFault>> {
    load_with_files(options).outcome
}

/// Loads and checks, and tells which files that took.
pub fn load_with_files(options: &LoadOptions) -> Loaded {
    let file = find_file(options);
    let label = file.as_ref().map(|it| it.display().to_string());
    let mut report = Report::new(label.as_deref().unwrap_or("environment"));
    let outcome = match (&file, &label) {
        (Some(file), Some(label)) => from_file(file, label, options, &mut report),
        _ => without_file(options, &mut report),
    };
    Loaded {
        outcome,
        files: report.files,
    }
}

fn from_file(
    file: &Path,
    label: &str,
    options: &LoadOptions,
    report: &mut Report,
) -> Result<Config, Vec<ConfigFault>> {
    report.files.insert(file.to_owned());
    let text = std::fs::read(file).map_err(|error| vec![unreadable(label, &error)])?;
    let dir = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    };
    let text = String::from_utf8(text)
        .map(Zeroizing::new)
        .map_err(|_| vec![whole_fault(label, "is not UTF-8 text; save it as UTF-8")])?;
    checked(label, &text, &dir, options, report)
}

/// Checks the `text` of a configuration called `label`, with `dir` for its relative files. What [`load`] does once it
/// has found and read the file.
pub fn from_text(
    label: &str,
    text: &str,
    dir: &Path,
    options: &LoadOptions,
) -> Result<Config, Vec<ConfigFault>> {
    checked(label, text, dir, options, &mut Report::new(label))
}

fn checked(
    label: &str,
    text: &str,
    dir: &Path,
    options: &LoadOptions,
    report: &mut Report,
) -> Result<Config, Vec<ConfigFault>> {
    let env = environment(options, dir, report);
    let mut root = tree::parse(label, text).map_err(|fault| vec![fault])?;
    let foreign = import::is_foreign(&root);
    if foreign {
        let converted = import::tree(&root, report);
        root.wipe();
        let Some(converted) = converted else {
            // What else is wrong is told at once.
            Overrides::read(&env, report);
            return Err(std::mem::take(&mut report.faults));
        };
        root = converted;
    }
    let told = (report.faults.len(), report.notes.len());
    Sources { env: &env, dir }.expand(&mut root, report);
    walk(&root, TOP, report);
    let source = Source::File(PathBuf::from(label));
    let mut outcome = resolve(Some(&root), source, &env, options, dir, report);
    root.wipe();
    if foreign {
        import::restore_names(&mut outcome, told);
    }
    outcome
}

/// The file that [`load`] would read.
pub fn locate(options: &LoadOptions) -> Option<PathBuf> {
    find_file(options)
}

fn find_file(options: &LoadOptions) -> Option<PathBuf> {
    if options.demo {
        return None;
    }
    let asked = options
        .config
        .clone()
        .or_else(|| options.env.filled("POINTSMAN_CONFIG").map(PathBuf::from));
    if let Some(asked) = asked {
        return Some(tidy(options.dir.join(asked)));
    }
    PLACES
        .iter()
        .map(|it| options.dir.join(it))
        .find(|it| it.is_file())
        .map(tidy)
}

/// Without a leading `./`.
fn tidy(path: PathBuf) -> PathBuf {
    path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
}

fn environment(options: &LoadOptions, dir: &Path, report: &mut Report) -> Env {
    if options.demo {
        Env::default()
    } else if options.no_env_file {
        options.env.clone()
    } else {
        options.env.over_file(dir, report)
    }
}

fn without_file(options: &LoadOptions, report: &mut Report) -> Result<Config, Vec<ConfigFault>> {
    let env = environment(options, &options.dir, report);
    resolve(
        None,
        Source::Environment,
        &env,
        options,
        &options.dir,
        report,
    )
}

fn unreadable(label: &str, error: &std::io::Error) -> ConfigFault {
    let remedy = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "does not exist; look at --config or POINTSMAN_CONFIG".into()
        }
        kind => format!("cannot be read: {kind}"),
    };
    whole_fault(label, &remedy)
}

fn whole_fault(label: &str, remedy: &str) -> ConfigFault {
    ConfigFault {
        file: label.to_owned(),
        path: String::new(),
        value: None,
        remedy: remedy.to_owned(),
    }
}

fn resolve(
    root: Option<&Node>,
    source: Source,
    env: &Env,
    options: &LoadOptions,
    dir: &Path,
    report: &mut Report,
) -> Result<Config, Vec<ConfigFault>> {
    let top = Reader::new(TOP, root, "");
    let section = top.section("settings");
    let overrides = Overrides::read(env, report);
    let mut settings = settings::settings(&section, report);
    override_settings(&mut settings, &overrides, options, report);
    observe::observe(&mut settings, &section, (env, &overrides), report);
    settings.classes = classes::classes(&top, &section, report);
    let timeouts = settings::timeouts(&section, overrides.request_timeout, report);
    let ways = Ways::new(env, dir);
    let oauth = oauth::oauth(&top, &section, &ways, report);
    let given = (timeouts, &oauth, &ways);
    let mut providers = read_providers(&top, &source, env, given, report);
    egress::explain(&providers, &oauth, report);
    zed::terms(&top, &section, &mut providers, report);
    if let Some(strategy) = overrides.key_strategy {
        for provider in &mut providers {
            provider.key_strategy = strategy;
        }
    }
    let written = is_short_form_written(&section, &overrides, options);
    let mut listeners = listeners::listeners(&top, &settings, written, dir, report);
    check_loops(&listeners, &providers, report);
    let from_env = !top.has("providers") && !top.has("model_routes");
    let rules = rules::rules(&top, &providers, settings.terms, report);
    let routes = if from_env {
        vendors::routes(&providers, settings.terms)
    } else {
        routes::routes(&top, &providers, &rules, settings.terms, report)
    };
    observe::check_routes(&settings, &routes, &rules, report);
    let default_route = routes::default_route(&section, &routes, report);
    let (auth, key_written) = access::auth(&top, &section, &overrides, report);
    teams::check_scopes(auth.named(), (&providers, &routes, &rules), report);
    let ledger = teams::ledger(&top, auth.named(), report);
    let admin = access::admin(&top, &overrides, report);
    listeners::complete(&top, &mut listeners, &admin, report);
    check_listeners(&listeners, options, (&auth, key_written), &admin, report);
    edge::check(&settings, &listeners, &auth, report);
    zed::check_routes(&settings, &providers, &routes, report);
    check_any_active(&providers, report);
    if !report.faults.is_empty() {
        return Err(std::mem::take(&mut report.faults));
    }
    let source = match source {
        Source::Environment if providers.is_empty() => Source::Demo,
        other => other,
    };
    Ok(Config {
        source,
        providers,
        routes,
        rules,
        default_route,
        settings,
        listeners,
        auth,
        admin,
        oauth,
        ledger,
        notes: std::mem::take(&mut report.notes),
    })
}

/// Whether somebody asks for the address of `settings.host` and `port`, which otherwise steps back for a list.
fn is_short_form_written(
    section: &Reader<'_>,
    overrides: &Overrides,
    options: &LoadOptions,
) -> bool {
    ["host", "port"].into_iter().any(|key| section.has(key))
        || options.host.is_some()
        || options.port.or(overrides.port).is_some()
}

/// Who could reach what; `auth` comes with whether a key was written, be it a bad one.
fn check_listeners(
    listeners: &[Listener],
    options: &LoadOptions,
    (auth, key_written): (&Auth, bool),
    admin: &Admin,
    report: &mut Report,
) {
    for listener in listeners {
        let path = match (listener.name.as_str(), &options.host) {
            (listeners::MAIN, Some(_)) => "--host".to_owned(),
            _ => listener.path(),
        };
        if !key_written {
            access::check_listener(&path, listener, auth, report);
        }
        access::check_admin_listener(&path, listener, admin, report);
    }
    access::check_admin(listeners, admin, report);
}

fn override_settings(
    settings: &mut Settings,
    overrides: &Overrides,
    options: &LoadOptions,
    report: &mut Report,
) {
    if let Some(host) = &options.host {
        match settings::listen_host(host) {
            Ok(host) => settings.host = host,
            Err(remedy) => report.fault_at("--host", host, remedy),
        }
    }
    if let Some(port) = options.port.or(overrides.port) {
        settings.port = port;
    }
    if let Some(level) = overrides.log_level {
        settings.log.level = level;
    }
    edge::override_cors(settings, overrides, report);
    page::override_pages(settings, overrides);
    if overrides.max_in_flight.is_some() {
        settings.max_in_flight = overrides.max_in_flight;
    }
    if let Some(limit) = overrides.rate_limit {
        settings.per_address.requests = limit.requests;
        settings.per_address.window = limit.window;
    }
}

/// The file's providers; the environment's when the file names none.
fn read_providers(
    top: &Reader<'_>,
    source: &Source,
    env: &Env,
    (timeouts, oauth, ways): (Timeouts, &OAuthSettings, &Ways<'_>),
    report: &mut Report,
) -> Vec<Provider> {
    if top.has("providers") {
        let readers = top.list("providers");
        if matches!(top.raw("providers"), Some(Node::List(it)) if it.is_empty()) {
            report.fault(
                "providers",
                "is an empty list; add a provider (see conf/minimal.yaml)",
            );
        }
        return provider::providers(&readers, timeouts, (&oauth.profiles, ways), report);
    }
    let providers = vendors::providers(env, timeouts, ways);
    let none =
        "is missing and the environment holds no provider's key either: nothing can be served";
    match source {
        Source::File(_) if !providers.is_empty() => {
            report.remark(
                "providers",
                "is missing: the keys in the environment are used",
            );
        }
        Source::File(_) if top.has("model_routes") => report.fault("providers", none),
        Source::File(_) => report.warn("providers", none),
        Source::Environment | Source::Demo => {}
    }
    providers
}

/// Refuses what would be right in every part and still serve nobody.
fn check_any_active(providers: &[Provider], report: &mut Report) {
    if report.faults.is_empty()
        && !providers.is_empty()
        && !providers.iter().any(Provider::is_active)
    {
        report.fault(
            "providers",
            "no provider can be called: each is disabled or not active yet; enable one, or add one of type anthropic \
             or openai",
        );
    }
}

/// A provider that is ourselves would call itself until something bursts.
fn check_loops(listeners: &[Listener], providers: &[Provider], report: &mut Report) {
    for (i, provider) in providers.iter().enumerate().filter(|it| it.1.enabled) {
        let Some(target) = &provider.target else {
            continue;
        };
        if access::is_ourselves(listeners, &target.host, target.port) {
            report.fault_at(
                format!("providers[{i}].base_url"),
                &provider.base_url,
                "is the address this proxy listens on; requests would go round in circles",
            );
        }
    }
}
