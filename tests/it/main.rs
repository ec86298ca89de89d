//! The integration tests, in one binary.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod properties;
