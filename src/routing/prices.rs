//! List prices of models, so that budgets, reports and `cheapest` know something before anybody has written `price:`. A
//! table like this is old the day it is written: what is configured wins, and what is not in it is unknown.

use crate::config::DeclaredPrice;
use crate::types::Price;

/// When the list was written.
pub const PRICES_AS_OF: &str = "2026-11";

/// Dollars per million tokens: input, output. Standard tier, short prompts, no cache, November 2026. Of a model with tiers
/// it is the lowest. Newer Claude models: the vendor's own pages (platform.claude.com/docs). Older Claude models and most
/// of the others: copies of the vendors' lists. From general knowledge and not checked: `gemini-2.5-flash` and
/// `-flash-lite`, `o3`, `o4-mini`, `gpt-5-nano` and the smaller `gpt-4.1` models.
const LIST: &[(&str, f64, f64)] = &[
    ("claude-fable-5-1", 10.0, 50.0),
    ("claude-fable-5", 10.0, 50.0),
    ("claude-opus-5-5", 4.0, 20.0),
    ("claude-opus-5", 5.0, 25.0),
    ("claude-opus-4-8", 5.0, 25.0),
    ("claude-opus-4-7", 5.0, 25.0),
    ("claude-opus-4-6", 5.0, 25.0),
    ("claude-opus-4-5", 5.0, 25.0),
    ("claude-opus-4-1", 15.0, 75.0),
    ("claude-opus-4", 15.0, 75.0),
    ("claude-sonnet-5-5", 2.0, 10.0),
    ("claude-sonnet-5", 2.0, 10.0),
    ("claude-sonnet-4-6", 3.0, 15.0),
    ("claude-sonnet-4-5", 3.0, 15.0),
    ("claude-sonnet-4", 3.0, 15.0),
    ("claude-haiku-5-5", 0.1, 0.5),
    ("claude-haiku-4-5", 1.0, 5.0),
    ("claude-3-5-haiku", 0.8, 4.0),
    ("gpt-5-2", 1.75, 14.0),
    ("gpt-5-1", 1.25, 10.0),
    ("gpt-5-mini", 0.25, 2.0),
    ("gpt-5-nano", 0.05, 0.4),
    ("gpt-5", 1.25, 10.0),
    ("gpt-4-1-mini", 0.4, 1.6),
    ("gpt-4-1-nano", 0.1, 0.4),
    ("gpt-4-1", 2.0, 8.0),
    ("gpt-4o-mini", 0.15, 0.6),
    ("gpt-4o", 2.5, 10.0),
    ("o3-mini", 1.1, 4.4),
    ("o3", 2.0, 8.0),
    ("o4-mini", 1.1, 4.4),
    ("gemini-2-5-pro", 1.25, 10.0),
    ("gemini-2-5-flash-lite", 0.1, 0.4),
    ("gemini-2-5-flash", 0.3, 2.5),
];
/// What the vendor's cache costs for each dollar of plain input: read, written. Anthropic's is written for five minutes,
/// one for an hour costs 2. Where a vendor has had several parts over time it is the dearest: a budget is better
/// reached too early. What is not here costs as much as any input.
const CACHE: &[(&str, f64, f64)] = &[
    ("claude-", 0.1, 1.25),
    ("gpt-5", 0.1, 1.0),
    ("gpt-4-1", 0.25, 1.0),
    ("gpt-4o", 0.5, 1.0),
    ("o3-mini", 0.5, 1.0),
    ("o3", 0.25, 1.0),
    ("o4-mini", 0.25, 1.0),
    ("gemini-2-5", 0.25, 1.0),
];
/// Tokens read for each one written: agents send a whole conversation to get a few lines.
const READ_PER_WRITTEN: f64 = 10.0;

/// The list price of a model by any vendor's name for it: `anthropic/claude-sonnet-4.5`, `claude-sonnet-4-5-20250929`,
/// `anthropic.claude-sonnet-4-5-20250929-v1:0`.
pub fn list_price(model: &str) -> Option<(f64, f64)> {
    let name = plain(model);
    let fits = |known: &str| {
        let rest = name.strip_prefix(known)?;
        // A date or a revision is the same model; another word or a smaller number is another one.
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let date = rest.split('-').next().unwrap_or_default();
        let is_date = 8 <= date.len() && date.bytes().all(|it| it.is_ascii_digit());
        (rest.is_empty() || is_date || rest == "latest").then_some(())
    };
    let known = LIST.iter().find(|(known, ..)| fits(known).is_some());
    known.map(|(_, input, output)| (*input, *output))
}

/// The whole price of a model: as it was declared, or as it is listed.
pub fn price_of(model: &str, declared: Option<&DeclaredPrice>) -> Option<Price> {
    let (input, output) = match declared {
        Some(declared) => (declared.input, declared.output),
        None => list_price(model)?,
    };
    let name = plain(model);
    let usual = CACHE.iter().find(|(family, ..)| name.starts_with(family));
    let (read, write) = usual.map_or((1.0, 1.0), |(_, read, write)| (*read, *write));
    Some(Price {
        input,
        output,
        cache_read: declared
            .and_then(|it| it.cache_read)
            .unwrap_or(input * read),
        cache_write: declared
            .and_then(|it| it.cache_write)
            .unwrap_or(input * write),
    })
}

/// What a model of unknown price is charged against a budget: as much as the dearest that is listed, so that no budget
/// is passed because a model is new.
pub fn dearest() -> Price {
    let most = |price: fn(&(&str, f64, f64)) -> f64| LIST.iter().map(price).fold(0.0, f64::max);
    let (input, output) = (most(|it| it.1), most(|it| it.2));
    Price {
        input,
        output,
        cache_read: input * 0.1,
        cache_write: input * 1.25,
    }
}

/// One number to compare prices by: dollars per million tokens of an agent's usual mix.
pub fn blended((input, output): (f64, f64)) -> f64 {
    (input * READ_PER_WRITTEN + output) / (READ_PER_WRITTEN + 1.0)
}

/// A name in small letters, without the vendor before it, dashes for dots and `@`.
fn plain(model: &str) -> String {
    let last = model.rsplit('/').next().unwrap_or(model);
    let last = last.split(':').next().unwrap_or(last);
    let own = last.split_once("anthropic.").map_or(last, |(_, own)| own);
    own.to_ascii_lowercase().replace(['.', '@'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_its_price_under_every_name() {
        for name in [
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5@20250929",
            "anthropic/claude-sonnet-4.5",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "Claude-Sonnet-4-5-latest",
        ] {
            assert_eq!(list_price(name), Some((3.0, 15.0)), "{name}");
        }
        assert_eq!(list_price("openai/gpt-4.1-mini"), Some((0.4, 1.6)));
        assert_eq!(list_price("claude-opus-4-20250514"), Some((15.0, 75.0)));
    }

    #[test]
    fn what_is_not_listed_is_not_guessed() {
        for name in [
            "claude-sonnet-4-7",
            "gpt-5-codex-max",
            "gpt-5.9",
            "qwen3-coder",
            "",
            "claude",
            "claude-opus-9",
        ] {
            assert_eq!(list_price(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_declared_wins_and_the_cache_has_its_part() {
        let declared = DeclaredPrice {
            input: 6.0,
            output: 30.0,
            cache_read: None,
            cache_write: Some(9.0),
        };
        let price = price_of("anthropic/claude-sonnet-4.5", Some(&declared)).unwrap();
        assert_eq!(
            (price.input, price.output, price.cache_write),
            (6.0, 30.0, 9.0)
        );
        assert!((price.cache_read - 0.6).abs() < 1e-9);
        let listed = price_of("claude-sonnet-4-5", None).unwrap();
        assert_eq!((listed.cache_write, listed.output), (3.75, 15.0));
        assert_eq!(price_of("qwen3-coder", None), None);
        let own = price_of("qwen3-coder", Some(&declared)).unwrap();
        let saved = own.input - own.cache_read;
        assert!(saved.abs() < 1e-9, "an unknown cache saves nothing");
        assert!(LIST.iter().all(|(_, input, output)| {
            *input <= dearest().input && *output <= dearest().output
        }));
    }

    #[test]
    fn prices_are_numbers_and_names_stand_once() {
        for (at, (name, input, output)) in LIST.iter().enumerate() {
            assert!(0.0 < *input && input < output, "{name}");
            assert_eq!(plain(name), *name);
            assert!(LIST[..at].iter().all(|(earlier, ..)| earlier != name));
        }
        assert!(blended((1.0, 5.0)) < blended((3.0, 15.0)));
    }
}
