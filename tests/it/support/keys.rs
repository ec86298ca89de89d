//! Named keys for journeys.

use sha2::Digest;
use sha2::Sha256;

use super::client::Request;
use super::setup::Setup;

/// The key of `holder`.
pub fn key_of_holder(holder: &str) -> String {
    format!("pmk-canary-{holder}-0123456789abcdefghij")
}

/// SHA-256 of a key, as the configuration wants it.
pub fn sha256(key: &str) -> String {
    format!("{:x}", Sha256::digest(key.as_bytes()))
}

/// A setup with these holders, each with the lines given: `rpm: 2, team: x`.
pub fn held(mut setup: Setup, holders: &[(&str, &str)]) -> Setup {
    let mut section = "keys:\n".to_owned();
    for (name, limits) in holders {
        let digest = sha256(&key_of_holder(name));
        section.push_str(&format!(
            "  - {{name: {name}, sha256: \"{digest}\", {limits}}}\n"
        ));
        setup = setup.secret(&key_of_holder(name)).secret(&digest);
    }
    setup.section(&section)
}

/// A request that shows the key of `holder`.
pub fn by(holder: &str, request: Request) -> Request {
    request.header("x-api-key", &key_of_holder(holder))
}
