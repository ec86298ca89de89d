//! From a checked configuration to a snapshot, and the place where the current one stands.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use thiserror::Error;

use super::endpoint::Endpoint;
use super::tokens;
use super::{Snapshot, TextRules};
use crate::access::GatewayKeys;
use crate::access::limits::{AddressLimits, Rate};
use crate::config::{Config, PerAddress, Provider, Settings};
use crate::credential::{KeyPool, Pace};
use crate::health::{BreakerPolicy, HealthRegistry};
use crate::net::{Client, PeerFactory, Resolver, Trusts};
use crate::oauth::Accounts;
use crate::routing::{Pattern, StrategyState, Table};
use crate::types::{Clock, EndpointId};

/// Why a configuration cannot be put in force.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// No provider can be called.
    #[error("no provider can be called: each is disabled or not active yet; enable one")]
    NoProvider,
}

/// The current snapshot and what outlives it.
pub struct Live {
    current: ArcSwap<Snapshot>,
    /// The configuration as it was written: which accounts stand for its providers changes without it.
    written: Mutex<Config>,
    lasting: Lasting,
}

/// What all configurations share.
struct Lasting {
    health: HealthRegistry,
    resolver: Arc<Resolver>,
    trusts: Arc<Trusts>,
    client: Arc<Client>,
    accounts: Arc<Accounts>,
}

impl Live {
    /// Puts the first configuration in force.
    pub fn new(config: Config) -> Result<Self, SnapshotError> {
        let resolver = Arc::new(Resolver::new());
        let trusts = Arc::new(Trusts::new());
        let client = Arc::new(Client::sharing(Arc::clone(&resolver), Arc::clone(&trusts)));
        let lasting = Lasting {
            health: HealthRegistry::new(),
            accounts: Arc::new(Accounts::new(Arc::clone(&client), Clock::system())),
            client,
            resolver,
            trusts,
        };
        let written = config.clone();
        let first = build(config, &lasting, None)?;
        Ok(Live {
            current: ArcSwap::from_pointee(first),
            written: Mutex::new(written),
            lasting,
        })
    }

    /// The snapshot in force.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts another configuration in force; on error the old one stays.
    pub fn replace(&self, config: Config) -> Result<Arc<Snapshot>, SnapshotError> {
        let mut written = self.written.lock();
        let new = self.put(config.clone())?;
        *written = config;
        Ok(new)
    }

    /// Who has signed in by OAuth.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.lasting.accounts
    }

    /// Puts the same configuration in force with the accounts that have signed in or out since.
    pub fn follow_accounts(&self) {
        let written = self.written.lock();
        if self.current().accounts == self.lasting.accounts.signed_in() {
            return;
        }
        if let Err(error) = self.put(written.clone()) {
            log::error!("the accounts that have signed in are not in force: {error}");
        }
    }

    fn put(&self, config: Config) -> Result<Arc<Snapshot>, SnapshotError> {
        let old = self.current();
        let new = Arc::new(build(config, &self.lasting, Some(&old))?);
        let ids: Vec<EndpointId> = new.config.providers.iter().map(|p| p.id.clone()).collect();
        self.lasting.health.retain(&ids);
        self.current.store(Arc::clone(&new));
        Ok(new)
    }
}

fn build(
    config: Config,
    lasting: &Lasting,
    old: Option<&Snapshot>,
) -> Result<Snapshot, SnapshotError> {
    lasting.accounts.settle(&config.oauth);
    let accounts = lasting.accounts.signed_in();
    let config = config.with_accounts(|profile| {
        let its = accounts.iter().filter(|it| it.0 == profile);
        its.map(|it| it.1.clone()).collect()
    });
    let policy = breaker_policy(&config.settings);
    let endpoint = |provider: &Provider| {
        let (target, dialect) = (provider.target.clone()?, provider.dialect?);
        if !provider.is_active() {
            return None;
        }
        let pace = Pace {
            rpm: provider.rpm,
            tpm: provider.tpm,
        };
        let mut keys = KeyPool::new(provider.keys.clone(), provider.key_strategy, pace);
        // What a key did at another address says nothing about this one.
        let same =
            |e: &&Arc<Endpoint>| e.id() == &provider.id && e.provider.base_url == provider.base_url;
        if let Some(before) = old.and_then(|old| old.active().find(same)) {
            keys.inherit(&before.keys);
        }
        Some(Arc::new(Endpoint {
            dialect,
            facts: provider
                .models
                .iter()
                .map(|(glob, facts)| (Pattern::new(glob), facts.clone()))
                .collect(),
            health: lasting
                .health
                .endpoint(&provider.id, &provider.base_url, policy),
            keys,
            tokens: tokens::source(provider, &lasting.client, &lasting.accounts, old),
            hosting: tokens::hosting(provider, &lasting.client, old),
            peers: PeerFactory::new(
                provider,
                &target,
                Arc::clone(&lasting.resolver),
                &lasting.trusts,
            ),
            target,
            provider: provider.clone(),
        }))
    };
    let endpoints: Vec<Option<Arc<Endpoint>>> = config.providers.iter().map(endpoint).collect();
    if endpoints.iter().all(Option::is_none) {
        return Err(SnapshotError::NoProvider);
    }
    Ok(Snapshot {
        endpoints,
        table: Table::new(&config),
        strategy: StrategyState::new(),
        gateway: GatewayKeys::new(&config.auth.keys).with_named(config.auth.named.as_deref()),
        addresses: address_limits(config.settings.per_address),
        texts: TextRules::new(&config.settings),
        generation: old.map_or(0, |old| old.generation + 1),
        accounts,
        config,
    })
}

fn address_limits(it: PerAddress) -> AddressLimits {
    let within = |most: Option<u64>, span| most.map(|most| Rate { most, span });
    AddressLimits {
        requests: within(it.requests, it.window),
        max_concurrent: it.max_concurrent,
        failures: within(it.failed_sign_ins, it.failed_window),
        spares_loopback: !it.counts_loopback,
    }
}

fn breaker_policy(settings: &Settings) -> BreakerPolicy {
    BreakerPolicy {
        threshold: settings.unhealthy_threshold,
        window: settings.unhealthy_reset_timeout,
        cooldown: settings.failure_cooldown,
        reset_on_success: settings.unhealthy_reset_on_success,
    }
}
