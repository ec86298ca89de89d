//! Calls of the client's tools: functions, free text, and the built-in tools that have items of their own.

use serde_json::Value;

use crate::protocol::canonical::{EncodeContext, NativeTool};

use super::fields::object;
use super::freeform::Freeform;
use super::native::{self, NativeCall};
use super::{Place, Sink, Status, added};

/// A call that grows.
#[derive(Debug)]
pub(super) struct Call {
    place: Place,
    /// Names the call.
    tool_use_id: String,
    namespace: Option<String>,
    name: String,
    form: Form,
}

/// What the item is going to be.
#[derive(Debug)]
enum Form {
    /// `function_call`; the arguments so far.
    Function(String),
    /// `custom_tool_call`; the text so far.
    Custom(Freeform),
    /// An item of its own kind, known when the arguments are whole: nothing is told of it before.
    Native {
        tool: NativeTool,
        arguments: String,
        suffix: String,
    },
    /// Such an item.
    Told(NativeItem),
}

#[derive(Debug)]
struct NativeItem {
    kind: &'static str,
    field: &'static str,
    value: Value,
}

impl Call {
    /// A call of the tool that the conversation calls `name`.
    pub fn new(
        tool_use_id: &str,
        name: &str,
        ctx: &EncodeContext,
        output_index: u64,
        sink: &mut impl Sink,
    ) -> Self {
        let freeform = ctx.freeform.iter().any(|it| it == name);
        let native = ctx.native.get(name);
        let (namespace, own_name) = match native {
            Some(NativeTool::Namespaced { namespace, name }) => (Some(namespace), name.as_str()),
            _ => (None, name),
        };
        let form = match native {
            Some(
                tool @ (NativeTool::LocalShell
                | NativeTool::Shell
                | NativeTool::ApplyPatch
                | NativeTool::ToolSearch),
            ) => Form::Native {
                tool: tool.clone(),
                arguments: String::new(),
                suffix: super::answer::id_suffix(ctx).to_owned(),
            },
            Some(NativeTool::Namespaced { .. }) | None if freeform => {
                Form::Custom(Freeform::default())
            }
            Some(NativeTool::Namespaced { .. }) | None => Form::Function(String::new()),
        };
        let prefix = match form {
            Form::Custom(_) => "ctc",
            Form::Function(_) | Form::Native { .. } | Form::Told(_) => "fc",
        };
        let call = Call {
            place: Place::new(prefix, ctx, output_index),
            tool_use_id: tool_use_id.to_owned(),
            namespace: namespace.cloned(),
            name: own_name.to_owned(),
            form,
        };
        if !matches!(call.form, Form::Native { .. }) {
            added(&call.place, &call.item("in_progress", ""), sink);
        }
        call
    }

    /// Adds to the arguments.
    pub fn arguments(&mut self, piece: &str, sink: &mut impl Sink) {
        match &mut self.form {
            Form::Function(arguments) => {
                arguments.push_str(piece);
                let place = &self.place;
                sink.event("response.function_call_arguments.delta", |out| {
                    place.tell(out);
                    out.text("delta", piece);
                });
            }
            Form::Custom(text) => {
                let new = text.push(piece);
                if !new.is_empty() {
                    custom_delta(&self.place, new, sink);
                }
            }
            Form::Native { arguments, .. } => arguments.push_str(piece),
            Form::Told(_) => debug_assert!(false, "arguments of a call that is whole"),
        }
    }

    /// The block is over.
    pub fn stop(&mut self, sink: &mut impl Sink) {
        match &mut self.form {
            Form::Function(arguments) => {
                if arguments.trim().is_empty() {
                    let rest = "{}";
                    arguments.push_str(rest);
                    let place = &self.place;
                    sink.event("response.function_call_arguments.delta", |out| {
                        place.tell(out);
                        out.text("delta", rest);
                    });
                }
                self.function_done(sink);
            }
            Form::Custom(text) => {
                let new = text.finish();
                if !new.is_empty() {
                    custom_delta(&self.place, new, sink);
                }
                let (place, text) = (&self.place, text.text());
                sink.event("response.custom_tool_call_input.done", |out| {
                    place.tell(out);
                    out.text("input", text);
                });
            }
            Form::Native {
                tool,
                arguments,
                suffix,
            } => {
                let arguments = std::mem::take(arguments);
                match native::call(tool, arguments_or_none(&arguments)) {
                    Some(call) => {
                        self.place.id =
                            format!("{}_{suffix}_{}", call.prefix, self.place.output_index);
                        self.native_told(call, sink);
                    }
                    None => self.function_told(&arguments, sink),
                }
            }
            Form::Told(_) => {}
        }
    }

    fn function_done(&self, sink: &mut impl Sink) {
        if let Form::Function(arguments) = &self.form {
            sink.event("response.function_call_arguments.done", |out| {
                self.place.tell(out);
                out.text("arguments", arguments);
            });
        }
    }

    fn native_told(&mut self, call: NativeCall, sink: &mut impl Sink) {
        self.form = Form::Told(NativeItem {
            kind: call.kind,
            field: call.field,
            value: call.value,
        });
        added(&self.place, &self.item("in_progress", ""), sink);
    }

    /// The arguments do not fit the item: the call is shown as what the model made it.
    fn function_told(&mut self, arguments: &str, sink: &mut impl Sink) {
        self.form = Form::Function(String::new());
        added(&self.place, &self.item("in_progress", ""), sink);
        self.arguments(arguments_or_none(arguments), sink);
        self.function_done(sink);
    }

    /// The whole item as JSON.
    pub fn finished(&self, status: Status) -> Vec<u8> {
        let content = match &self.form {
            Form::Function(arguments) => arguments,
            Form::Custom(text) => text.text(),
            Form::Native { .. } | Form::Told(_) => "",
        };
        self.item(status.word(), content)
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        match &self.form {
            Form::Function(arguments) | Form::Native { arguments, .. } => arguments.len(),
            Form::Custom(text) => text.held(),
            // As much as its arguments, which were counted.
            Form::Told(_) => 0,
        }
    }

    fn item(&self, status: &str, content: &str) -> Vec<u8> {
        object(("id", &self.place.id), |out| {
            let kind = match &self.form {
                Form::Function(_) | Form::Native { .. } => "function_call",
                Form::Custom(_) => "custom_tool_call",
                Form::Told(item) => item.kind,
            };
            out.text("type", kind);
            out.text("status", status);
            match &self.form {
                Form::Function(_) | Form::Native { .. } => out.text("arguments", content),
                Form::Custom(_) => out.text("input", content),
                Form::Told(item) => out.json(item.field, item.value.to_string().as_bytes()),
            }
            out.text("call_id", &self.tool_use_id);
            match &self.form {
                Form::Function(_) | Form::Native { .. } | Form::Custom(_) => {
                    out.text("name", &self.name);
                }
                Form::Told(item) if item.kind == "tool_search_call" => {
                    out.text("execution", "client");
                }
                Form::Told(_) => {}
            }
            if let Some(namespace) = &self.namespace {
                out.text("namespace", namespace);
            }
        })
    }
}

fn custom_delta(place: &Place, text: &str, sink: &mut impl Sink) {
    sink.event("response.custom_tool_call_input.delta", |out| {
        place.tell(out);
        out.text("delta", text);
    });
}

/// No arguments are an empty object.
fn arguments_or_none(arguments: &str) -> &str {
    if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    }
}
