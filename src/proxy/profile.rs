//! What the operator declared about a model, in the words of the translation.
