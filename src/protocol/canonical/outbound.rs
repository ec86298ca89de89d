//! A request ready to be sent to a provider.

use super::ToolNames;

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Headers that this body needs, such as `anthropic-beta`, beyond those every call has.
    pub headers: Vec<(&'static str, String)>,
    /// The tool names that the answer uses in place of the client's.
    pub names: ToolNames,
    /// The client asked for no output at all (`max_tokens: 0`), to warm the prompt cache. The body asks for one
    /// token, the least there is; the answer had better be given without a call.
    pub prewarm: bool,
}
