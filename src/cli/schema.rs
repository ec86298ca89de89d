//! `pointsman schema`: the JSON Schema of the configuration, for editors.

use crate::cli::output::Outcome;
use crate::config;

/// The schema, indented.
pub fn run() -> Outcome {
    Outcome {
        text: format!("{:#}\n", config::schema()),
        code: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_json_schema() {
        let schema: serde_json::Value = serde_json::from_str(&run().text).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert_eq!(
            schema["properties"]["providers"]["items"]["required"][0],
            "name"
        );
    }
}
