//! Requests and answers of one dialect for another: a matrix of three client dialects and four provider dialects, made
//! of one reader and one writer for each, with canonical values between them.

mod answer;
mod count;
mod observe;
mod reader;
mod request;
mod writer;

pub use answer::{
    AnswerContext, AnswerFacts, BodyTranslator, StreamTranslator, WholeAnswer, body_answer,
    stream_from_body,
};
pub use count::{CountContext, count_answer, count_call, countable, counted};
pub use observe::Observer;
pub use request::{Asked, RequestContext, Translation, canonical, request, same};

#[cfg(test)]
mod tests;
