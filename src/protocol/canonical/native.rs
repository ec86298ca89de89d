//! Tools that a client's dialect calls by an item of their own kind, where others know functions only.

/// How a client of OpenAI Responses wants calls of one of its tools written. A tool without one is an ordinary
/// function, or free text where the client declared it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NativeTool {
    /// `local_shell`: calls are `local_shell_call` items.
    LocalShell,
    /// `shell`: calls are `shell_call` items.
    Shell,
    /// `apply_patch`: calls are `apply_patch_call` items.
    ApplyPatch,
    /// `tool_search` that the client runs: calls are `tool_search_call` items.
    ToolSearch,
    /// A tool of a namespace: calls name the namespace and the tool apart, where the conversation has them in one.
    Namespaced {
        /// The namespace.
        namespace: String,
        /// The tool's name inside it.
        name: String,
    },
}
