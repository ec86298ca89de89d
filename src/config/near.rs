//! "Did you mean": the nearest of the names that would have been right.

/// The name closest to `word`, if it is close enough to be meant.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let limit = (folded.len() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(&folded, &fold(name)), name))
        .filter(|it| it.0 <= limit)
        .min_by_key(|it| it.0)
        .map(|it| it.1)
}

/// `; did you mean `x`?`, or nothing.
pub(super) fn hint<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names).map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

/// Case, dashes and underscores do not count as mistakes.
fn fold(word: &str) -> Vec<char> {
    word.chars()
        .filter(|it| !matches!(it, '-' | '_' | ' '))
        .take(64)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Edits (insert, delete, replace) between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["failure_cooldown", "port", "base_url", "auth_value"];
        let table = [
            ("failure_coldown", Some("failure_cooldown")),
            ("failureCooldown", Some("failure_cooldown")),
            ("baseUrl", Some("base_url")),
            ("prot", None),
            ("ports", Some("port")),
            ("zzz", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }

    #[test]
    fn distance_is_the_number_of_edits() {
        let d = |a: &str, b: &str| distance(&fold(a), &fold(b));
        assert_eq!(
            (d("kitten", "sitting"), d("", "ab"), d("ab", "")),
            (3, 2, 2)
        );
    }
}
