//! Body of a client's request to a canonical one.

use crate::protocol::canonical::{Losses, Request, TranslateError};

/// Reads a client's request.
pub fn inbound(_body: &[u8], _losses: &mut Losses) -> Result<Request, TranslateError> {
    Err(TranslateError::NotAClient)
}
