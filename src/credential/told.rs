//! What the headers of a provider's answer say about a key: how long to wait, and how much room is left.
//!
//! Strangers write them. Whatever they say, the result is a span between nothing and a day: numbers beyond all measure,
//! negative ones, words, and moments in the past are survived here, and nowhere else has to think of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// Longest time that a header is believed.
const MAX_WAIT: Duration = Duration::from_secs(86_400);
/// Numbers from here on are moments, in seconds since 1970, and no spans.
const EPOCH_SECONDS: f64 = 1e9;
/// The same in milliseconds.
const EPOCH_MILLIS: f64 = 1e12;

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// All of it, where that was told.
    pub limit: Option<u64>,
    /// What is left.
    pub remaining: u64,
    /// When all of it is there again, where that was told.
    pub resets_in: Option<Duration>,
}

/// What one answer told about its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens: the tightest of its limits, where there are several.
    pub tokens: Option<Allowance>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Requests,
    Tokens,
}

/// One limit in the words of a vendor.
struct Names {
    about: About,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
}

const fn names(
    about: About,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
) -> Names {
    Names {
        about,
        limit,
        remaining,
        reset,
    }
}

/// Anthropic (resets are moments, RFC 3339); OpenAI, Groq and others (spans such as `6m0s`); vendors with one limit for
/// all; the draft standard of the IETF.
const NAMES: [Names; 8] = [
    names(
        About::Requests,
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    names(
        About::Tokens,
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    names(
        About::Tokens,
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    names(
        About::Tokens,
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
    names(
        About::Requests,
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    names(
        About::Tokens,
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ),
    names(
        About::Requests,
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ),
    names(
        About::Requests,
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
    ),
];

impl Told {
    /// Reads an answer's headers.
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Told {
        let mut told = Told::default();
        for names in &NAMES {
            let Some(found) = allowance(headers, names, now) else {
                continue;
            };
            let place = match names.about {
                About::Requests => &mut told.requests,
                About::Tokens => &mut told.tokens,
            };
            *place = Some(place.map_or(found, |before| before.tighter(found)));
        }
        told
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none()
    }
}

impl Allowance {
    /// The part of the limit that is left, from 0 to 1. Without a limit there is either something left or nothing.
    pub fn share(&self) -> f64 {
        match self.limit {
            Some(limit) if 0 < limit => (self.remaining as f64 / limit as f64).min(1.0),
            Some(_) | None => f64::from(u8::from(0 < self.remaining)),
        }
    }

    fn tighter(self, other: Allowance) -> Allowance {
        let both_empty = self.remaining == 0 && other.remaining == 0;
        let other_is_tighter = if both_empty {
            self.resets_in < other.resets_in
        } else {
            other.share() < self.share()
        };
        if other_is_tighter { other } else { self }
    }
}

/// How long the headers of a refusal ask us to wait: `retry-after-ms`, `retry-after` (seconds or a date), the reset of a
/// subscription's limit, or that of whichever limit has nothing left. `None`: they say nothing that can be understood.
pub fn wait_told(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if let Some(millis) = text(headers, "retry-after-ms").and_then(|it| it.parse::<f64>().ok())
        && let Some(wait) = span(millis / 1e3)
    {
        return Some(wait);
    }
    if let Some(wait) = text(headers, "retry-after").and_then(|it| retry_after(it, now)) {
        return Some(wait);
    }
    let subscription = "anthropic-ratelimit-unified-";
    if text(headers, &format!("{subscription}status")) == Some("rejected")
        && let Some(reset) = text(headers, &format!("{subscription}reset"))
    {
        return moment_or_span(reset, now);
    }
    let told = Told::read(headers, now);
    let empty = [told.requests, told.tokens].into_iter().flatten();
    empty
        .filter(|allowance| allowance.remaining == 0)
        .filter_map(|allowance| allowance.resets_in)
        .max()
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<f64>() {
        return span(seconds);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(until(date, now))
}

fn allowance(headers: &HeaderMap, names: &Names, now: SystemTime) -> Option<Allowance> {
    // Some send `-1` for a limit that is not there.
    let count = |name: &str| text(headers, name)?.parse::<u64>().ok();
    let remaining = count(names.remaining)?;
    Some(Allowance {
        limit: count(names.limit),
        remaining,
        resets_in: text(headers, names.reset).and_then(|it| moment_or_span(it, now)),
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then_some(value)
}

/// `2026-03-09T16:05:59Z`, `6m0s`, `17`, `1773072359`.
fn moment_or_span(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = value.parse::<f64>() {
        if number < EPOCH_SECONDS {
            return span(number);
        }
        let seconds = if number < EPOCH_MILLIS {
            number
        } else {
            number / 1e3
        };
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = seconds - since_1970.as_secs_f64();
        return span(if left < 0.0 { 0.0 } else { left });
    }
    match rfc3339(value) {
        Some(moment) => Some(until(moment, now)),
        None => go_duration(value),
    }
}

fn until(moment: SystemTime, now: SystemTime) -> Duration {
    let wait = moment.duration_since(now).unwrap_or_default();
    wait.min(MAX_WAIT)
}

/// Seconds as a span; `None` for what is no number or negative.
fn span(seconds: f64) -> Option<Duration> {
    let believed = (0.0 <= seconds).then(|| seconds.min(MAX_WAIT.as_secs_f64()))?;
    Duration::try_from_secs_f64(believed).ok()
}

/// `6m0s`, `1.3s`, `250ms`, `2h`, `1d2h`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let number: f64 = number.parse().ok()?;
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at_checked(letters)?;
        seconds += number
            * match unit {
                "us" | "µs" | "ns" => 0.0,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = after;
    }
    (!text.is_empty()).then(|| span(seconds)).flatten()
}

/// A moment as Anthropic writes it, with `Z` or an offset. Years from 1970 to 9999.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        let only_digits = digits.bytes().all(|it| it.is_ascii_digit());
        only_digits.then(|| digits.parse().ok()).flatten()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    let is_day = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let separated =
        text.get(4..5) == Some("-") && matches!(text.get(10..11), Some("T" | "t" | " "));
    if !is_date || !is_day || !separated {
        return None;
    }
    let tail = text.get(19..)?;
    let zone = tail
        .find(|c: char| !(c == '.' || c.is_ascii_digit()))
        .and_then(|at| tail.get(at..))?;
    let east = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let digits = std::str::from_utf8(digits).ok()?;
            let (hours, minutes) = digits.split_once(':')?;
            let minutes = hours.parse::<u16>().ok()? * 60 + minutes.parse::<u16>().ok()?;
            let seconds = i64::from(minutes) * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let days = days_since_1970(year, month, day)?;
    let local = i64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()?;
    let seconds = u64::try_from(local - east).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Days from 1970 to a day. Years begin in March here, so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    const DAYS_TO_1970: u64 = 719_468;
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + day_of_year).checked_sub(DAYS_TO_1970)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-09T16:05:59Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_773_072_359)
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn wait(lines: &[(&str, &str)]) -> Option<u128> {
        wait_told(&headers(lines), now()).map(|it| it.as_millis())
    }

    #[test]
    fn waiting_times_in_all_spellings() {
        let date = "Mon, 09 Mar 2026 16:06:09 GMT";
        for (lines, millis) in [
            (&[("retry-after", "7")][..], Some(7_000)),
            (&[("retry-after", "0.5")], Some(500)),
            (&[("retry-after", " 7 ")], Some(7_000)),
            (&[("retry-after", date)], Some(10_000)),
            (
                &[("retry-after-ms", "250"), ("retry-after", "7")],
                Some(250),
            ),
            (
                &[("retry-after-ms", "soon"), ("retry-after", "7")],
                Some(7_000),
            ),
            (
                &[
                    ("anthropic-ratelimit-unified-status", "rejected"),
                    ("anthropic-ratelimit-unified-reset", "1773072419"),
                ],
                Some(60_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1m2.5s"),
                    ("x-ratelimit-remaining-tokens", "9"),
                    ("x-ratelimit-reset-tokens", "5h"),
                ],
                Some(62_500),
            ),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-03-09T16:06:29Z"),
                    ("anthropic-ratelimit-input-tokens-remaining", "0"),
                    (
                        "anthropic-ratelimit-input-tokens-reset",
                        "2026-03-09T17:06:39.5+01:00",
                    ),
                ],
                Some(40_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1773072360000"),
                ],
                Some(1_000),
            ),
            (
                &[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")],
                Some(30_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "9"),
                    ("x-ratelimit-reset-tokens", "5h"),
                ],
                None,
            ),
            (&[], None),
        ] {
            assert_eq!(wait(lines), millis, "{lines:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_wait_and_what_is_too_long_a_day() {
        let day = Some(86_400_000);
        for (value, expected) in [
            ("9223372036854775808", day),
            ("1e300", day),
            ("inf", day),
            ("Wed, 21 Oct 2099 07:28:00 GMT", day),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("-5", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(&[("retry-after", value)]), expected, "{value}");
        }
        for (value, expected) in [
            ("9999-12-31T23:59:60Z", day),
            ("2015-10-21T07:28:00Z", Some(0)),
            ("0000-00-00T00:00:00Z", None),
            ("2026-13-09T16:05:59Z", None),
            ("2026-03-09T16:05:59", None),
            ("2026-03-09T16:05:59+99999:1", None),
            ("99999999999999999999h", day),
            ("-1s", None),
            ("1y", None),
            ("s", None),
            ("1e308", day),
        ] {
            let lines = [
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", value),
            ];
            assert_eq!(wait(&lines), expected, "{value}");
        }
    }

    #[test]
    fn the_tightest_limit_of_tokens_counts() {
        let told = Told::read(
            &headers(&[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-03-09T16:06:00Z"),
                ("anthropic-ratelimit-input-tokens-limit", "40000"),
                ("anthropic-ratelimit-input-tokens-remaining", "39000"),
                ("anthropic-ratelimit-output-tokens-limit", "8000"),
                ("anthropic-ratelimit-output-tokens-remaining", "800"),
            ]),
            now(),
        );
        let requests = told.requests.unwrap();
        assert_eq!((requests.remaining, requests.limit), (49, Some(50)));
        assert_eq!(requests.resets_in, Some(Duration::from_secs(1)));
        assert_eq!(told.tokens.unwrap().remaining, 800);
        let odd = headers(&[
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-remaining-tokens", "18446744073709551616"),
        ]);
        assert!(Told::read(&odd, now()).is_empty());
        let nothing_at_all = Allowance {
            limit: Some(0),
            remaining: 0,
            resets_in: None,
        };
        assert_eq!(nothing_at_all.share().to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn moments_agree_with_another_reader() {
        for day in (0..40_000).step_by(13) {
            let moment = UNIX_EPOCH + Duration::from_secs(day * 86_400 + 3_723);
            let date = httpdate::HttpDate::from(moment).to_string();
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(&date[8..11]).unwrap() / 3 + 1;
            let (day, year) = (&date[5..7], &date[12..16]);
            let text = format!("{year}-{month:02}-{day}T01:02:03Z");
            assert_eq!(rfc3339(&text), Some(moment), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_lasts_longer_than_a_day(value in "[ -~]{0,40}", digits in "[0-9.:TZhms+e-]{0,30}") {
            for value in [&value, &digits] {
                for names in &NAMES {
                    let lines = headers(&[
                        (names.limit, value),
                        (names.remaining, "0"),
                        (names.reset, value),
                        ("anthropic-ratelimit-unified-status", "rejected"),
                        ("anthropic-ratelimit-unified-reset", value),
                        ("retry-after", value),
                    ]);
                    let _ = Told::read(&lines, now());
                    prop_assert!(wait_told(&lines, now()).is_none_or(|wait| wait <= MAX_WAIT));
                }
            }
        }
    }
}
