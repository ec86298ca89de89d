//! What people read when the demo starts: what runs, and what to paste. Printing is left to the caller.

/// The text for a proxy that can be reached at `address` (`127.0.0.1:8080`, as a person would type it), ending in a
/// line break. Lines of a command can be pasted into a shell as they are.
pub fn banner_text(address: &str) -> String {
    format!(
        r#"Pointsman demo at http://{address}: no configuration and no provider key was found.
Two simulated providers run inside this process. simulated-anthropic is asked first and fails every
third call on purpose; simulated-openai then answers. Nothing leaves this machine and nothing costs money.

A whole answer, and a streamed one:
  curl -i http://{address}/v1/messages -H 'content-type: application/json' \
    -d '{{"model":"claude-sonnet-4-5","max_tokens":300,"messages":[{{"role":"user","content":"hello"}}]}}'
  curl -N http://{address}/v1/messages -H 'content-type: application/json' \
    -d '{{"model":"claude-sonnet-4-5","max_tokens":300,"stream":true,"messages":[{{"role":"user","content":"hello"}}]}}'
Call it three times: the third call fails at the first provider, and you get an answer all the same. The
head says from whom (x-pointsman-provider, x-pointsman-attempts); this says how both are doing:
  curl http://{address}/providers
Claude Code (ask it to "use the tool" to see it run a command):
  ANTHROPIC_BASE_URL=http://{address} ANTHROPIC_AUTH_TOKEN=demo claude

Go on with real providers: start with ANTHROPIC_API_KEY set, or write config.yaml:
  providers:
    - {{name: anthropic, type: anthropic, base_url: https://api.anthropic.com, auth_value: "${{ANTHROPIC_API_KEY}}"}}
  model_routes: {{"*": [{{provider: anthropic}}]}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

    use crate::config::{LoadOptions, from_text};

    #[test]
    fn it_fits_a_screen_and_its_commands_hold_valid_json() {
        let text = banner_text("127.0.0.1:8080");
        assert!(text.lines().count() <= 25);
        assert!(!text.contains("{{") && !text.contains("}}\""));
        let bodies: Vec<Value> = text
            .lines()
            .filter_map(|it| it.trim().strip_prefix("-d '")?.strip_suffix('\''))
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
        assert_eq!(bodies.len(), 2);
        assert_eq!(bodies[1]["stream"], true);
    }

    #[test]
    fn its_configuration_is_accepted() {
        let text = banner_text("127.0.0.1:8080");
        let start = text.find("  providers:\n").unwrap();
        let key = ("ANTHROPIC_API_KEY".to_owned(), "sk-ant-x".to_owned());
        let options = LoadOptions::new([key].into_iter().collect());
        let dir = tempfile::tempdir().unwrap();
        let config = from_text("config.yaml", &text[start..], dir.path(), &options).unwrap();
        assert!(config.providers[0].is_active());
        assert_eq!(config.routes[0].candidates[0].provider, 0);
        assert!(config.notes.is_empty(), "{:?}", config.notes);
    }
}
