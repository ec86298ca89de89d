//! Events about items: which item each is about, and what it does with it.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::protocol::canonical::Event;
use crate::protocol::openai_responses::wire_answer as wire;
use crate::protocol::upstream_error::StreamError;

use super::Decode;
use super::call::Call;
use super::items::{Body, Kind, Place};
use super::message::Message;
use super::reasoning::Source;
use super::search::Searches;

impl Decode {
    /// An event about one item.
    pub(super) fn content(
        &mut self,
        kind: &str,
        event: &wire::Event<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let place = Place {
            index: event.output_index.0,
            id: event.item_id.get(),
        };
        let delta = event.delta.get().unwrap_or_default();
        match kind {
            "response.output_item.added" => self.added(event, out),
            "response.output_item.done" => match event.item {
                Some(item) => self.item_done(event.output_index.0, item, out),
                None => Ok(()),
            },
            "response.output_text.delta" | "response.refusal.delta" => {
                self.refused |= kind == "response.refusal.delta";
                self.text(place, event, delta, out)
            }
            "response.output_text.done" | "response.refusal.done" => {
                self.refused |= kind == "response.refusal.done";
                let part = wire::Part {
                    text: event.text.clone(),
                    refusal: event.refusal.clone(),
                    logprobs: event.logprobs,
                    ..wire::Part::default()
                };
                self.part(place, event, &part, out)
            }
            "response.content_part.done" if event.part.is_some() => {
                let part: wire::Part<'_> = wire::lenient(event.part);
                if part.kind.get() == Some("reasoning_text") {
                    return Ok(());
                }
                self.refused |= part.refusal.get().is_some();
                self.part(place, event, &part, out)
            }
            "response.output_text.annotation.added" => self.annotation(place, event, out),
            "response.reasoning_summary_text.delta" => {
                let part = event.summary_index.or_zero();
                self.thinking(place, Source::Summary, part, delta, out)
            }
            "response.reasoning_text.delta" => {
                let part = event.content_index.or_zero();
                self.thinking(place, Source::Raw, part, delta, out)
            }
            "response.function_call_arguments.delta" => {
                self.arguments(Kind::Function, place, delta, out)
            }
            "response.custom_tool_call_input.delta" => {
                self.arguments(Kind::Custom, place, delta, out)
            }
            "response.function_call_arguments.done" => {
                let whole = wire::json_text(event.arguments);
                self.whole_arguments(Kind::Function, place, &whole, out)
            }
            "response.custom_tool_call_input.done" => {
                let whole = event.input.get().unwrap_or_default();
                self.whole_arguments(Kind::Custom, place, whole, out)
            }
            _ => Ok(()),
        }
    }

    fn added(&mut self, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let item: wire::Item<'_> = wire::lenient(event.item);
        let Some(kind) = Kind::of(item.kind.get().unwrap_or_default()) else {
            self.unshown = true;
            return Ok(());
        };
        self.start(&wire::Response::default(), out);
        let place = Place {
            index: event.output_index.0,
            id: item.id.get(),
        };
        let at = self.items.begin(kind, place)?;
        self.items.act(at, out, |body, shared, out| match body {
            Body::Call(call) => call.added(&item, shared, out),
            Body::Reasoning(reasoning) => {
                reasoning.promised = item.encrypted_content.get().is_some();
                Ok(())
            }
            Body::Message(_) | Body::Hosted => Ok(()),
        })
    }

    /// A whole item, of which deltas told all, some, or nothing.
    pub(super) fn item_done(
        &mut self,
        index: Option<u64>,
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let item: wire::Item<'_> = wire::lenient(Some(raw));
        let Some(kind) = Kind::of(item.kind.get().unwrap_or_default()) else {
            self.unshown = true;
            return Ok(());
        };
        self.start(&wire::Response::default(), out);
        let place = Place {
            index,
            id: item.id.get(),
        };
        let at = self.items.locate(kind, place)?;
        let (refused, repaired) = (&mut self.refused, self.repaired);
        self.items.act(at, out, |body, shared, out| match body {
            Body::Message(message) => {
                for (index, part) in (0_u64..).zip(wire::parts(item.content)) {
                    *refused |= part.refusal.get().is_some();
                    message.whole(index, &part, repaired, &mut shared.searches, out)?;
                }
                message.close(out);
                shared.searches.settle(out)
            }
            Body::Reasoning(reasoning) => {
                reasoning.whole(&item, raw, repaired, out);
                Ok(())
            }
            Body::Call(call) => call.whole(&item, repaired, shared, out),
            Body::Hosted if item.kind.get() == Some("web_search_call") => {
                shared.searches.searched(&item, out)
            }
            Body::Hosted => shared.searches.ran(&item, out),
        })?;
        self.items.done(at, out)
    }

    /// Calls that only the end tells of, beside items that were told before: some servers stream texts only. A call
    /// that was told under another id is not told twice.
    pub(super) fn untold_calls(
        &mut self,
        output: Vec<(u64, &RawValue)>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let is_call = |item: &wire::Item<'_>| {
            let kind = item.kind.get().and_then(Kind::of);
            matches!(kind, Some(Kind::Function | Kind::Custom))
        };
        let read = output
            .into_iter()
            .map(|(index, raw)| (index, raw, wire::lenient::<wire::Item<'_>>(Some(raw))));
        let calls: Vec<_> = read.filter(|(.., item)| is_call(item)).collect();
        let told = self.items.told_calls();
        let mut untold = calls.len().saturating_sub(told.len());
        let told: HashSet<String> = told.into_iter().collect();
        for (index, raw, item) in calls {
            let id = item.call_id.get().or(item.id.get());
            if 0 < untold && !id.is_some_and(|id| told.contains(id)) {
                untold -= 1;
                self.item_done(Some(index), raw, out)?;
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        place: Place<'_>,
        event: &wire::Event<'_>,
        delta: &str,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let (part, repaired) = (event.content_index.or_zero(), self.repaired);
        self.message(place, out, |message, _, out| {
            message.text(part, delta, repaired, out)?;
            message.logprobs(part, event.logprobs, out)
        })
    }

    fn part(
        &mut self,
        place: Place<'_>,
        event: &wire::Event<'_>,
        part: &wire::Part<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let (index, repaired) = (event.content_index.or_zero(), self.repaired);
        self.message(place, out, |message, searches, out| {
            message.whole(index, part, repaired, searches, out)
        })
    }

    fn annotation(
        &mut self,
        place: Place<'_>,
        event: &wire::Event<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let Some(annotation) = event.annotation else {
            return Ok(());
        };
        let index = event.content_index.or_zero();
        self.message(place, out, |message, searches, out| {
            message.annotation(index, annotation, searches, out)
        })
    }

    fn message(
        &mut self,
        place: Place<'_>,
        out: &mut Vec<Event>,
        act: impl FnOnce(&mut Message, &mut Searches, &mut Vec<Event>) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        self.start(&wire::Response::default(), out);
        let at = self.items.locate(Kind::Message, place)?;
        self.items.act(at, out, |body, shared, out| match body {
            Body::Message(message) => act(message, &mut shared.searches, out),
            Body::Reasoning(_) | Body::Call(_) | Body::Hosted => Ok(()),
        })
    }

    fn thinking(
        &mut self,
        place: Place<'_>,
        source: Source,
        part: u64,
        delta: &str,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let repaired = self.repaired;
        self.start(&wire::Response::default(), out);
        let at = self.items.locate(Kind::Reasoning, place)?;
        self.items.act(at, out, |body, _, out| {
            if let Body::Reasoning(reasoning) = body {
                reasoning.text(source, part, delta, repaired, out);
            }
            Ok(())
        })
    }

    fn arguments(
        &mut self,
        kind: Kind,
        place: Place<'_>,
        delta: &str,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let repaired = self.repaired;
        self.call(kind, place, out, |call, out| {
            call.arguments(delta, repaired, out)
        })
    }

    fn whole_arguments(
        &mut self,
        kind: Kind,
        place: Place<'_>,
        whole: &str,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let repaired = self.repaired;
        self.call(kind, place, out, |call, out| {
            call.whole_arguments(whole, repaired, out);
            Ok(())
        })
    }

    fn call(
        &mut self,
        kind: Kind,
        place: Place<'_>,
        out: &mut Vec<Event>,
        act: impl FnOnce(&mut Call, &mut Vec<Event>) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        self.start(&wire::Response::default(), out);
        let at = self.items.locate(kind, place)?;
        self.items.act(at, out, |body, _, out| match body {
            Body::Call(call) => act(call, out),
            Body::Message(_) | Body::Reasoning(_) | Body::Hosted => Ok(()),
        })
    }
}
