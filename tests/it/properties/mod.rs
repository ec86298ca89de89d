//! What must hold for any input.

mod answers;
mod gemini;
mod reshape;
