//! `/oauth/*` as people read it. Field names are those of the system we succeed; ours are added.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::status::epoch;
use crate::oauth::{Accounts, Login, Seen, SignedIn};
use crate::types::calendar::rfc3339;

/// A token that ends sooner than that ends soon, seconds.
const SOON: u64 = 15 * 60;

/// Where to sign in, and what to do then.
pub fn login(login: &Login, profile: &str, email: Option<&str>) -> Value {
    json!({
        "status": "success",
        "login_url": login.url,
        "authorization_url": login.url,
        "state": login.state.expose(),
        "profile": profile,
        "account_email": email,
        "instructions": {
            "step_1": "Open login_url in a browser and sign in",
            "step_2": "Agree to what is asked for",
            "step_3": "Copy the code that is shown, or the address you are sent to; nothing is left to do if that page says that you are signed in",
            "step_4": "POST it to /oauth/exchange-code within ten minutes",
        },
        "callback_format": "code#state",
        "exchange_example": {
            "method": "POST",
            "path": "/oauth/exchange-code",
            "body": {"code": "code#state", "account_email": email.unwrap_or("user@example.com")},
        },
        "expires_in_minutes": login.seconds / 60,
        "expires_in": login.seconds,
    })
}

/// Who has signed in.
pub fn signed_in(it: &SignedIn) -> Value {
    json!({
        "status": "success",
        "message": "Authorization successful",
        "account_email": it.email,
        "profile": it.profile,
        "expires_at": it.ends,
        "scopes": it.scopes,
    })
}

/// An account whose token has just been refreshed.
pub fn refreshed(it: &Seen, now: u64) -> Value {
    json!({
        "status": "success",
        "message": "Token refreshed successfully",
        "account_email": it.email,
        "account_id": it.id,
        "profile": it.profile,
        "expires_at": it.ends,
        "expires_in_seconds": it.ends.map(|ends| ends.saturating_sub(now)),
        "access_token_preview": it.access,
        "refresh_token_preview": it.refresh,
        "scopes": it.scopes,
        "refreshed_at": it.refreshed,
    })
}

/// `GET /oauth/status`.
pub fn oauth_status(accounts: &Accounts) -> Value {
    let now = accounts.now();
    let all = accounts.seen();
    // The one that was used last stands for the pointer of a round.
    let last = |it: &Seen| it.tokens.as_ref().and_then(|it| it.last_use);
    let used = (0..all.len()).filter(|at| all.get(*at).is_some_and(|it| last(it).is_some()));
    let current = used.max_by_key(|at| all.get(*at).and_then(last));
    let tokens: Vec<Value> = all
        .iter()
        .enumerate()
        .map(|(index, it)| token(it, index, current, now))
        .collect();
    let count = |is: &dyn Fn(&Seen) -> bool| all.iter().filter(|it| is(it)).count();
    let trouble = accounts.trouble().map(|it| it.to_string());
    json!({
        "system": {
            "oauth_manager_status": if trouble.is_none() { "active" } else { "trouble" },
            "trouble": trouble,
            "current_time": now,
            "current_time_iso": rfc3339(UNIX_EPOCH + Duration::from_secs(now)),
            "timezone": "UTC",
        },
        "summary": {
            "total_tokens": all.len(),
            "healthy_tokens": count(&|it| is_healthy(it, now)),
            "expired_tokens": count(&|it| is_expired(it, now)),
            "expiring_soon": count(&|it| ends_soon(it, now)),
            "need_login": count(&|it| it.needs_login.is_some()),
            "current_token_index": current,
            "rotation_enabled": 1 < all.len(),
        },
        "active_token": current.and_then(|at| tokens.get(at)).cloned(),
        "tokens": tokens,
    })
}

fn token(it: &Seen, index: usize, current: Option<usize>, now: u64) -> Value {
    let left = it.ends.map(|ends| ends.saturating_sub(now));
    let view = it.tokens.as_ref();
    let last = view.and_then(|it| it.last_use);
    json!({
        "account_email": it.email,
        "profile": it.profile,
        "account_id": it.id,
        "account_name": it.name,
        "index": index,
        "is_current": current == Some(index),
        "created_at": it.created,
        "refreshed_at": it.refreshed,
        "expires_at": it.ends,
        "expires_in_seconds": left,
        "expires_in_minutes": left.map(|it| it / 60),
        "expires_in_human": left.map(human),
        "is_expired": is_expired(it, now),
        "is_healthy": is_healthy(it, now),
        "will_expire_soon": ends_soon(it, now),
        "needs_login": it.needs_login.is_some(),
        "why": it.needs_login.clone().or_else(|| view.and_then(|it| it.why.clone())),
        "access_token_preview": it.access,
        "refresh_token_preview": it.refresh,
        "scopes": it.scopes,
        "scope_count": it.scopes.len(),
        "usage_count": view.map_or(0, |it| it.uses),
        "last_used": last.map(rfc3339),
        "last_used_timestamp": last.map(epoch),
    })
}

fn is_expired(it: &Seen, now: u64) -> bool {
    it.ends.is_some_and(|ends| ends <= now)
}

fn is_healthy(it: &Seen, now: u64) -> bool {
    it.needs_login.is_none() && (!is_expired(it, now) || it.refresh.is_some())
}

fn ends_soon(it: &Seen, now: u64) -> bool {
    it.ends.is_some_and(|ends| now < ends && ends < now + SOON)
}

fn human(seconds: u64) -> String {
    match seconds {
        0 => "expired".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_two_largest_units() {
        for (seconds, text) in [
            (0, "expired"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3661, "1h 1m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }
}
