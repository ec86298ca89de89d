//! Every rule has its line: bad input, and what people read.

use super::{ONE, loaded, provider};

/// Inside `settings: {…}`.
const SETTINGS: &[(&str, &str)] = &[
    (
        "admin: {}",
        "c.yaml: settings.admin: is not a known key; it belongs at the top",
    ),
    (
        "failure_coldown: 1",
        "c.yaml: settings.failure_coldown: is not a known key; did you mean `failure_cooldown`?",
    ),
    (
        "port: 1, port: 2",
        "c.yaml: settings.port: is written twice; keep one of them",
    ),
    (
        "port: 70000",
        "c.yaml: settings.port = 70000: must be a whole number from 0 to 65535",
    ),
    (
        "port: -1",
        "c.yaml: settings.port = -1: must be a whole number from 0 to 65535",
    ),
    (
        "fail_open: maybe",
        "c.yaml: settings.fail_open = maybe: must be true or false",
    ),
    (
        "failure_cooldown: soon",
        "c.yaml: settings.failure_cooldown = soon: must be seconds, or a duration such as 10s, 5m, 500ms, 1h",
    ),
    (
        "ping_interval: 0",
        "c.yaml: settings.ping_interval = 0: 0 would end everything at once; leave the key out for the default, 10s",
    ),
    (
        "timeouts: {streaming: {read: 0s}}",
        "c.yaml: settings.timeouts.streaming.read = 0s: 0 would end everything at once; leave the key out for none",
    ),
    (
        "max_body_bytes: big",
        "c.yaml: settings.max_body_bytes = big: must be bytes above 0, or a size such as 64MiB",
    ),
    (
        "unhealthy_http_codes: [99]",
        "c.yaml: settings.unhealthy_http_codes: must be a list of HTTP statuses from 100 to 599",
    ),
    (
        "selection_strategy: fastets",
        "c.yaml: settings.selection_strategy = fastets: must be one of priority, round_robin, random, weighted, least_busy, fastest, cheapest, sticky; did you mean `fastest`?",
    ),
    (
        "log_level: LOUD",
        "c.yaml: settings.log_level = LOUD: must be one of DEBUG, INFO, WARNING, WARN, ERROR, CRITICAL",
    ),
    (
        "token_counting: 3",
        "c.yaml: settings.token_counting: is a number; it must be keys with values",
    ),
    (
        "app_name: !x y",
        "c.yaml: settings.app_name: has a YAML tag (`!…`); remove the tag",
    ),
    (
        "host: '${NOPE}'",
        "c.yaml: settings.host: the environment variable NOPE is not set",
    ),
    (
        "default_route: '*opus*'",
        "c.yaml: settings.default_route = *opus*: is no pattern of model_routes",
    ),
    (
        "host: 0.0.0.0",
        "c.yaml: settings.host = 0.0.0.0: can be reached from other machines",
    ),
    (
        "host: '::'",
        "c.yaml: settings.host = ::: can be reached from other machines",
    ),
    (
        "host: 192.168.1.5",
        "c.yaml: settings.host = 192.168.1.5: can be reached from other machines",
    ),
    (
        "host: my.host.example",
        "c.yaml: settings.host = my.host.example: can be reached from other machines",
    ),
    (
        "host: 0.0.0.0, auth: {enabled: false}",
        "c.yaml: settings.host = 0.0.0.0: can be reached from other machines",
    ),
    (
        "host: 'a b'",
        "c.yaml: settings.host = a b: must be an address",
    ),
    (
        "auth: {api_key: your-proxy-access-key}",
        "c.yaml: settings.auth.api_key: is a placeholder that everybody knows",
    ),
];

/// Inside a provider with name, address and key.
const PROVIDER: &[(&str, &str)] = &[
    (
        "proxy: '${file:/does/not/exist}'",
        "c.yaml: providers[0].proxy: the file /does/not/exist cannot be read",
    ),
    (
        "api_keys: [b]",
        "c.yaml: providers[0].api_keys: stands beside `auth_value`; keep one of them",
    ),
    (
        "type: claude",
        "c.yaml: providers[0].type = claude: must be one of anthropic, openai,",
    ),
    (
        "on_loss: refuse",
        "c.yaml: providers[0].on_loss: is not a known key; it belongs under `settings`",
    ),
    (
        "auth_type: magic",
        "c.yaml: providers[0].auth_type = magic: must be one of api_key, auth_token, service_account, oauth, passthrough, none",
    ),
    (
        "auth_type: service_account",
        "c.yaml: providers[0].auth_type = service_account: is for providers of `type: vertex` only",
    ),
    (
        "headers: {'a b': c}",
        "c.yaml: providers[0].headers.\"a b\": is not a header name",
    ),
    (
        "headers: {host: c}",
        "c.yaml: providers[0].headers.host: is a header the proxy writes itself",
    ),
    (
        "headers: {x: \"a\\r\\nb\"}",
        "c.yaml: providers[0].headers.x: holds a line break",
    ),
    (
        "proxy: 'ftp://p:1'",
        "c.yaml: providers[0].proxy = ftp://p:1: must start with http://",
    ),
    (
        "proxy: 'HTTPS://u:sk-secret@p:1/x'",
        "c.yaml: providers[0].proxy = HTTPS://***@p:1/x: has a path or query",
    ),
    (
        "ca: /does/not/exist.pem",
        "c.yaml: providers[0].ca = /does/not/exist.pem: cannot be read",
    ),
    (
        "ca_only: true",
        "c.yaml: providers[0].ca_only: leaves nobody to believe",
    ),
    (
        "proxy: 'http://u:sk-secret@p:0'",
        "c.yaml: providers[0].proxy = http://***@p:0: has a port",
    ),
    (
        "probe: {path: x}",
        "c.yaml: providers[0].probe.path = x: must start with /",
    ),
    (
        "probe: {path: /x, model: m}",
        "c.yaml: providers[0].probe: asks for a path and a model",
    ),
    (
        "max_in_flight: 0",
        "c.yaml: providers[0].max_in_flight = 0: must be a whole number from 1",
    ),
    (
        "vendor: deepsek",
        "c.yaml: providers[0].vendor = deepsek: must be one of anthropic, openai, gemini,",
    ),
    (
        "quirks: {top_kk: true}",
        "c.yaml: providers[0].quirks.top_kk: is not a known key; did you mean `top_k`?",
    ),
    (
        "quirks: {top_k: some}",
        "c.yaml: providers[0].quirks.top_k = some: must be true or false",
    ),
    (
        "quirks: {reasoning: magic}",
        "c.yaml: providers[0].quirks.reasoning = magic: must be one of none, effort, openrouter, switch, enable_thinking",
    ),
    (
        "quirks: {efforts: [low]}",
        "c.yaml: providers[0].quirks.efforts: must be a list of none, minimal, xhigh, max",
    ),
    (
        "models: {x: {quirks: {user: me}}}",
        "c.yaml: providers[0].models.x.quirks.user = me: must be one of none, user, safety_identifier",
    ),
    (
        "type: gemini, endpoint_url: 'https://a.b/v1beta/models/m:generateContent'",
        "c.yaml: providers[0].endpoint_url: cannot be one URL for a provider of type gemini",
    ),
    (
        "rpm: 0",
        "c.yaml: providers[0].rpm = 0: must be a whole number from 1",
    ),
    (
        "tpm: -5",
        "c.yaml: providers[0].tpm = -5: must be a whole number from 1",
    ),
    (
        "timeouts: {idle: 0}",
        "c.yaml: providers[0].timeouts.idle = 0: 0 would end everything at once",
    ),
    (
        "probe: {interval: -3s}",
        "c.yaml: providers[0].probe.interval = -3s: must be",
    ),
    (
        "models: {x: {caps: [magic]}}",
        "c.yaml: providers[0].models.x.caps: must be a list of tools, images, thinking",
    ),
];

/// Inside a candidate.
const ROUTE: &[(&str, &str)] = &[
    (
        "weight: -1",
        "c.yaml: model_routes.\"*\"[0].weight = -1: must be a finite number, 0 or more",
    ),
    (
        "weight: .nan",
        "c.yaml: model_routes.\"*\"[0].weight = NaN: must be a finite number, 0 or more",
    ),
    (
        "weight: .inf",
        "c.yaml: model_routes.\"*\"[0].weight = inf: must be a finite number, 0 or more",
    ),
    (
        "account_email: x@y",
        "c.yaml: model_routes.\"*\"[0].account_email = x@y: is no account of a",
    ),
];

/// Beside a provider.
const BESIDE: &[(&str, &str)] = &[
    (
        "admin: {listen: '127.0.0.1:8080'}\n",
        "c.yaml: admin.listen = 127.0.0.1:8080: is the main listener's address, too",
    ),
    (
        "x-y: 1\nproviders: []\n",
        "c.yaml: providers: is written twice",
    ),
    (
        "model_routes: {'*': [{provider: A}]}\n",
        "c.yaml: model_routes.\"*\"[0].provider = A: is no provider; did you mean `a`?",
    ),
    (
        "model_routes: {'*': [{model: m}]}\n",
        "c.yaml: model_routes.\"*\"[0].provider: is missing",
    ),
    (
        "model_routes: {'*': []}\n",
        "c.yaml: model_routes.\"*\": has no candidates",
    ),
    (
        "model_routes: {'': [{provider: a}]}\n",
        "c.yaml: model_routes.\"\"\"\": is an empty pattern",
    ),
    (
        "model_routes: {'*': {candidates: []}}\n",
        "c.yaml: model_routes.\"*\": has no candidates",
    ),
    (
        "model_routes: {'*': {on_loss: refuse}}\n",
        "c.yaml: model_routes.\"*\".candidates: is missing",
    ),
    (
        "model_routes: {'*': {on_loss: maybe, candidates: [{provider: a}]}}\n",
        "c.yaml: model_routes.\"*\".on_loss = maybe: must be one of warn, refuse",
    ),
    (
        "model_routes: {'*': {on_los: warn, candidates: [{provider: a}]}}\n",
        "c.yaml: model_routes.\"*\".on_los: is not a known key; did you mean `on_loss`?",
    ),
    (
        "model_routes: {'*': {candidates: [{provider: b}]}}\n",
        "c.yaml: model_routes.\"*\".candidates[0].provider = b: is no provider",
    ),
    (
        "model_routes: {'*': a}\n",
        "c.yaml: model_routes.\"*\": is text; it must be a list",
    ),
    (
        "auth: {api_keys: [changeme]}\n",
        "c.yaml: auth.api_keys[0]: is a placeholder that everybody knows",
    ),
    ("auth: {api_key: ' '}\n", "c.yaml: auth.api_key: is empty"),
    (
        "auth: {enabled: true}\n",
        "c.yaml: auth.api_key: is missing",
    ),
    (
        "auth: {exempt_paths: [health]}\n",
        "c.yaml: auth.exempt_paths = health: must start with /",
    ),
    (
        "admin: {listen: 9091}\n",
        "c.yaml: admin.listen = 9091: must be text",
    ),
    (
        "admin: {listen: '127.0.0.1'}\n",
        "c.yaml: admin.listen = 127.0.0.1: must be host:port",
    ),
    (
        "admin: {listen: '0.0.0.0:9091'}\n",
        "c.yaml: admin.listen = 0.0.0.0:9091: can be reached from other machines",
    ),
    (
        "admin: {key: your-api-key}\n",
        "c.yaml: admin.key: is a placeholder",
    ),
];

/// Inside a rule.
const RULE: &[(&str, &str)] = &[
    (
        "candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when: is missing",
    ),
    (
        "when: {}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when: asks nothing: the rule would hide every route",
    ),
    (
        "when: {agent: true}",
        "c.yaml: route_rules[0].candidates: is missing",
    ),
    (
        "when: {agent: true}, candidates: []",
        "c.yaml: route_rules[0].candidates: is empty",
    ),
    (
        "when: {agent: true}, candidates: [{provider: A}]",
        "c.yaml: route_rules[0].candidates[0].provider = A: is no provider; did you mean `a`?",
    ),
    (
        "when: {agents: true}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when.agents: is not a known key; did you mean `agent`?",
    ),
    (
        "when: {agent: perhaps}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when.agent = perhaps: must be true or false",
    ),
    (
        "when: {tokens_over: many}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when.tokens_over = many: must be tokens above 0, such as 200000 or 200k",
    ),
    (
        "when: {tokens_over: 2k, tokens_under: 1k}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when: no prompt is longer than 2000 tokens and shorter than 1000; swap them",
    ),
    (
        "when: {header: {x-api-key: k}}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when.header.x-api-key: is a credential, which no rule gets to see",
    ),
    (
        "when: {header: {a b: k}}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].when.header.\"a b\": is not a header name",
    ),
    (
        "models: [' '], when: {agent: true}, candidates: [{provider: a}]",
        "c.yaml: route_rules[0].models: holds an empty pattern",
    ),
];

/// A whole file.
const WHOLE: &[(&str, &str)] = &[
    (
        "providers: [{name: a, base_url: sk-0123, auth_value: k}]\n",
        "c.yaml: providers[0].base_url = ***: must start with https://",
    ),
    (
        "port: 1\n",
        "c.yaml: port: is not a known key; it belongs under `settings`",
    ),
    (
        "providers: {a: b}\n",
        "c.yaml: providers: is a section with keys; it must be a list (`- …`)",
    ),
    (
        "providers: []\n",
        "c.yaml: providers: is an empty list; add a provider (see conf/minimal.yaml)",
    ),
    (
        "upstream: []\ncurrentUpstream: 0\n",
        "c.yaml: upstream: is empty: there is no service to ask",
    ),
    (
        "model_routes: {'*': [{provider: a}]}\n",
        "c.yaml: providers: is missing and the environment holds no provider's key either",
    ),
    (
        "providers: [{base_url: 'https://a.b', auth_value: k}]\n",
        "c.yaml: providers[0].name: is missing",
    ),
    (
        "providers: [{name: a, auth_value: k}]\n",
        "c.yaml: providers[0].base_url: is missing",
    ),
    (
        "providers: [{name: a, base_url: 'https://a.b'}]\n",
        "c.yaml: providers[0].auth_value: is missing",
    ),
    (
        "providers: [{name: a, base_url: 'https://a.b', auth_value: ''}]\n",
        "c.yaml: providers[0].auth_value: is empty",
    ),
    (
        "providers: [{name: a, base_url: 'https://a.b', auth_value: \"k\\r\"}]\n",
        "c.yaml: providers[0].auth_value: holds a space, line break",
    ),
    (
        "providers: [{name: a, base_url: 'https://a.b', auth_value: 123}]\n",
        "c.yaml: providers[0].auth_value: must be text; put it in quotes",
    ),
    (
        "providers: [{name: a, base_url: 'https://u:sk-secret@a.b', auth_value: k}]\n",
        "c.yaml: providers[0].base_url = https://***@a.b: carries a name or password",
    ),
    (
        "providers: [{name: a, base_url: 'https://a.b?key=sk-secret', auth_value: k}]\n",
        "c.yaml: providers[0].base_url = https://a.b?***: has a query",
    ),
    (
        "providers: [{name: a, type: gemini, auth_value: k, base_url: 'https://a.b/v1beta/models/m:generateContent'}]\n",
        "c.yaml: providers[0].base_url = https://a.b/v1beta/models/m:generateContent: names a whole call",
    ),
    (
        "providers: [{name: a, type: openai-responses, auth_value: k, base_url: 'https://a.b/v1/responses'}]\n",
        "c.yaml: providers[0].base_url = https://a.b/v1/responses: names a whole call",
    ),
    (
        "providers: [{name: a, vendor: azure, auth_value: k}]\n",
        "c.yaml: providers[0].base_url: is missing",
    ),
    (
        "providers: [{name: a, vendor: deepseek}]\n",
        "c.yaml: providers[0].auth_value: is missing",
    ),
    (
        "providers: [{name: a, vendor: deepseek, type: anthropic, auth_value: k}]\n",
        "c.yaml: providers[0].base_url: is missing",
    ),
    (
        "providers: [{name: a, type: openai, auth_value: k, base_url: 'https://r.openai.azure.com/openai/deployments/d'}]\n",
        "c.yaml: providers[0].base_url: names a deployment; write the whole URL",
    ),
    (
        "providers: [{name: a, base_url: 'file:///x', auth_value: k}]\n",
        "c.yaml: providers[0].base_url = file:///x: must start with https:// or http://",
    ),
    (
        "providers: [{name: a, base_url: 'http://localhost:8080', auth_value: k}]\n",
        "c.yaml: providers[0].base_url = http://localhost:8080: is the address this proxy listens on",
    ),
    (
        "providers: [{name: a, base_url: 'https://a.b', auth_type: none}, {name: a, base_url: 'https://c.d', auth_type: none}]\n",
        "c.yaml: providers[1].name = a: is the name of an earlier provider, too",
    ),
];

#[test]
fn every_rule_has_its_line() {
    type Wrap = fn(&str) -> String;
    let tables: [(&[(&str, &str)], Wrap); 6] = [
        (SETTINGS, |it| format!("{ONE}settings: {{{it}}}\n")),
        (PROVIDER, provider),
        (ROUTE, |it| {
            format!("{ONE}model_routes: {{'*': [{{provider: a, {it}}}]}}\n")
        }),
        (RULE, |it| format!("{ONE}route_rules: [{{{it}}}]\n")),
        (BESIDE, |it| format!("{ONE}{it}")),
        (WHOLE, str::to_owned),
    ];
    for (table, wrap) in tables {
        for (text, expected) in table {
            one_fault(&wrap(text), expected);
        }
    }
}

/// Loading `text` gives exactly one fault that starts with `expected`, on one line and without a secret.
fn one_fault(text: &str, expected: &str) {
    let faults = loaded(text, []).err().unwrap_or_default();
    let [only] = faults.as_slice() else {
        panic!("{text}: expected one fault {expected:?}, got {faults:#?}");
    };
    assert!(only.starts_with(expected), "{text}: {only}");
    assert!(!only.contains("sk-") && !only.contains('\n'), "{only}");
}
