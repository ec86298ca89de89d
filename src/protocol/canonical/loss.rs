//! What a translation could not express. Collected, never dropped in silence: one log line, one count, and with
//! `x-pointsman-debug: 1` a response header.

use std::fmt;

/// What became of something that the target dialect has no word for. A closed set: counts are kept by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossKind {
    /// It is gone.
    Dropped,
    /// Its type is not known here.
    UnknownType,
    /// Its value is not known here.
    UnknownWord,
    /// The model would refuse it.
    NotAccepted,
    /// The provider's dialect has nothing like it.
    NoPlace,
    /// A picture for a model without eyes.
    NoPictures,
    /// A document for a model that reads none.
    NoDocuments,
    /// A file that only its vendor can open.
    ForeignFile,
    /// Reasoning or words that the model did not say.
    ForeignReasoning,
    /// A tool that its vendor runs, and this provider has none like it.
    ServerToolElsewhere,
    /// A choice among tools of which none is left.
    NoToolsLeft,
    /// A choice of a tool that is not there.
    NoSuchTool,
    /// Names must be unique.
    SecondOfItsName,
    /// Something in a turn of the model that only people may say.
    SaidByTheModel,
    /// Its words are there, what it was is not.
    AsText,
    /// Only its address is there.
    AddressAsText,
    /// Its words are there, as somebody else's.
    ForeignAsText,
    /// A tool's result without its call.
    OrphanAsText,
    /// The model is told so in words and may not comply.
    AsInstruction,
    /// The model may depart from the schema.
    NotStrict,
    /// Parts of a JSON Schema that the provider refuses are gone.
    SchemaSimplified,
    /// A call had no result; one was made up that says so.
    ResultFilledIn,
    /// A call had no result and was left out.
    CallDropped,
    /// Arguments that are no object were put into one.
    Wrapped,
    /// The value was below what the provider takes.
    Raised,
    /// The value was above what the provider takes.
    Lowered,
    /// The model may choose not to call a tool.
    LoweredToAuto,
    /// Only the first of them are there.
    CutShort,
    /// The model thinks although it should not.
    NotDisabled,
    /// Thinking and a forced tool exclude each other there.
    DisabledByForcedTool,
    /// Thinking is there for streams only.
    OnlyStreamedThinks,
    /// The model may begin its answer anew.
    MayNotContinue,
}

impl LossKind {
    /// All of them.
    pub const ALL: [LossKind; 32] = [
        LossKind::Dropped,
        LossKind::UnknownType,
        LossKind::UnknownWord,
        LossKind::NotAccepted,
        LossKind::NoPlace,
        LossKind::NoPictures,
        LossKind::NoDocuments,
        LossKind::ForeignFile,
        LossKind::ForeignReasoning,
        LossKind::ServerToolElsewhere,
        LossKind::NoToolsLeft,
        LossKind::NoSuchTool,
        LossKind::SecondOfItsName,
        LossKind::SaidByTheModel,
        LossKind::AsText,
        LossKind::AddressAsText,
        LossKind::ForeignAsText,
        LossKind::OrphanAsText,
        LossKind::AsInstruction,
        LossKind::NotStrict,
        LossKind::SchemaSimplified,
        LossKind::ResultFilledIn,
        LossKind::CallDropped,
        LossKind::Wrapped,
        LossKind::Raised,
        LossKind::Lowered,
        LossKind::LoweredToAuto,
        LossKind::CutShort,
        LossKind::NotDisabled,
        LossKind::DisabledByForcedTool,
        LossKind::OnlyStreamedThinks,
        LossKind::MayNotContinue,
    ];

    /// Its place in [`LossKind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name for metrics: `no_pictures`.
    pub fn label(self) -> String {
        let mut label = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_ascii_uppercase() && !label.is_empty() {
                label.push('_');
            }
            label.push(c.to_ascii_lowercase());
        }
        label
    }

    /// What people read.
    pub fn text(self) -> &'static str {
        match self {
            LossKind::Dropped => "dropped",
            LossKind::UnknownType => "dropped: unknown type",
            LossKind::UnknownWord => "dropped: unknown value",
            LossKind::NotAccepted => "dropped: not accepted by the model",
            LossKind::NoPlace => "dropped: the provider has no place for it",
            LossKind::NoPictures => "dropped: the model takes no pictures",
            LossKind::NoDocuments => "dropped: the model takes no documents",
            LossKind::ForeignFile => "dropped: a file of another vendor",
            LossKind::ForeignReasoning => "dropped: not the model's",
            LossKind::ServerToolElsewhere => "dropped: runs at its own vendor only",
            LossKind::NoToolsLeft => "dropped: no tools are left",
            LossKind::NoSuchTool => "dropped: no such tool",
            LossKind::SecondOfItsName => "dropped: a second of its name",
            LossKind::SaidByTheModel => "dropped: said by the model",
            LossKind::AsText => "sent as text",
            LossKind::AddressAsText => "sent as text: the address only",
            LossKind::ForeignAsText => "sent as text: not the model's",
            LossKind::OrphanAsText => "sent as text: no such tool call before it",
            LossKind::AsInstruction => "sent as an instruction",
            LossKind::NotStrict => "sent without strict",
            LossKind::SchemaSimplified => "schema simplified",
            LossKind::ResultFilledIn => "missing tool result filled in",
            LossKind::CallDropped => "dropped: a tool call without its result",
            LossKind::Wrapped => "wrapped: not an object",
            LossKind::Raised => "raised",
            LossKind::Lowered => "lowered",
            LossKind::LoweredToAuto => "lowered to auto",
            LossKind::CutShort => "cut short",
            LossKind::NotDisabled => "not disabled: the model cannot",
            LossKind::DisabledByForcedTool => "disabled: a tool is forced",
            LossKind::OnlyStreamedThinks => "dropped: only streamed answers think",
            LossKind::MayNotContinue => "the answer begun may not be continued",
        }
    }
}

/// One thing that the target dialect has no word for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it stood, as a path into the request: `messages[3].content[1]`, `top_k`.
    pub path: String,
    /// What became of it.
    pub kind: LossKind,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.kind.text())
    }
}

/// The losses of one translation, bounded: a long conversation may lose the same thing a thousand times.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    kept: Vec<Loss>,
    /// Those that are not kept, by kind.
    more: Vec<(LossKind, usize)>,
}

/// Losses kept with their path; further ones are only counted.
const MAX_KEPT: usize = 32;

impl Losses {
    /// Records one loss.
    pub fn add(&mut self, path: impl Into<String>, kind: LossKind) {
        if self.kept.len() < MAX_KEPT {
            self.kept.push(Loss {
                path: path.into(),
                kind,
            });
        } else if let Some((_, times)) = self.more.iter_mut().find(|it| it.0 == kind) {
            *times = times.saturating_add(1);
        } else {
            self.more.push((kind, 1));
        }
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The first losses, in order.
    pub fn kept(&self) -> &[Loss] {
        &self.kept
    }

    /// All losses, those beyond the kept ones included.
    pub fn total(&self) -> usize {
        self.kept.len().saturating_add(self.unkept())
    }

    /// How often each kind came, those beyond the kept ones included; a kind may come up several times.
    pub fn counts(&self) -> impl Iterator<Item = (LossKind, u64)> {
        let kept = self.kept.iter().map(|loss| (loss.kind, 1));
        let more = self.more.iter();
        kept.chain(more.map(|(kind, times)| (*kind, u64::try_from(*times).unwrap_or(u64::MAX))))
    }

    fn unkept(&self) -> usize {
        let times = self.more.iter().map(|it| it.1);
        times.fold(0, usize::saturating_add)
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, loss) in self.kept.iter().enumerate() {
            if 0 < i {
                f.write_str("; ")?;
            }
            write!(f, "{loss}")?;
        }
        if 0 < self.unkept() {
            write!(f, "; and {} more", self.unkept())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_place_its_label_and_its_text() {
        let labels: BTreeSet<String> = LossKind::ALL.iter().map(|it| it.label()).collect();
        assert_eq!(labels.len(), LossKind::ALL.len());
        for (place, kind) in LossKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place, "{kind:?}");
            assert!(!kind.text().is_empty());
        }
        assert_eq!(
            LossKind::DisabledByForcedTool.label(),
            "disabled_by_forced_tool"
        );
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let mut losses = Losses::default();
        for i in 0..40 {
            losses.add(format!("messages[{i}]"), LossKind::AsText);
        }
        losses.add("top_k", LossKind::NotAccepted);
        assert_eq!((losses.kept().len(), losses.total()), (32, 41));
        assert!(losses.to_string().ends_with("; and 9 more"), "{losses}");
        let of = |kind| {
            losses
                .counts()
                .filter(|it| it.0 == kind)
                .map(|it| it.1)
                .sum::<u64>()
        };
        assert_eq!((of(LossKind::AsText), of(LossKind::NotAccepted)), (40, 1));
    }
}
