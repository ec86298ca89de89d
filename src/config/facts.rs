//! What a provider's entry declares about its models and about the service: `models` and `quirks`.

use std::collections::BTreeMap;

use crate::config::model::{DeclaredPrice, ModelFacts};
use crate::config::read::Reader;
use crate::types::Quirks;
use crate::types::quirks::{COLUMNS, Said, Shape, ThinkingStyle};

/// What is declared about models, by pattern.
pub(super) fn models(reader: &Reader<'_>) -> BTreeMap<String, ModelFacts> {
    reader
        .named("models")
        .into_iter()
        .map(|(pattern, it)| (pattern.to_owned(), facts(&it)))
        .collect()
}

fn facts(reader: &Reader<'_>) -> ModelFacts {
    let caps = reader.has("caps").then(|| reader.texts("caps"));
    let can = |cap: &str| {
        reader
            .boolean(cap)
            .or_else(|| caps.as_ref().map(|it| it.contains(&cap)))
    };
    let price = reader.section("price");
    ModelFacts {
        context: reader.count("context").or_else(|| reader.count("ctx")),
        max_output: reader.count("max_output"),
        tools: can("tools"),
        images: can("images"),
        documents: reader.boolean("documents"),
        thinking: can("thinking"),
        thinking_style: reader
            .choice("thinking_style")
            .and_then(ThinkingStyle::of_word),
        structured_output: reader.boolean("structured_output"),
        prefill: reader.boolean("prefill"),
        price: reader.has("price").then(|| {
            let dollars = |key| price.number(key).unwrap_or(0.0);
            DeclaredPrice {
                input: dollars("input"),
                output: dollars("output"),
                cache_read: price.number("cache_read"),
                cache_write: price.number("cache_write"),
            }
        }),
        quirks: quirks(reader),
    }
}

/// What stands under `quirks`, of a provider or of a model.
pub(super) fn quirks(reader: &Reader<'_>) -> Quirks {
    let written = reader.section("quirks");
    Quirks::read(|key| {
        let (_, shape, _) = COLUMNS.iter().find(|it| it.0 == key)?;
        match shape {
            Shape::Switch => written.boolean(key).map(Said::Switch),
            Shape::Word(_) => written.choice(key).map(Said::Word),
            Shape::Words(_) => written.has(key).then(|| Said::Words(written.texts(key))),
        }
    })
}
