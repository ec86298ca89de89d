//! A client's request as it stands on the wire: names and nesting only.
//!
//! <https://platform.openai.com/docs/api-reference/chat/create>, seen November 2026, and the fields of compatible
//! providers that clients send as well. Every value stays raw text; each is read with its path at hand, so that an
//! error can name the field. Scanning raw text does not recurse, whatever its nesting.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A value not looked at yet; absent and `null` are the same here.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// A string that is lent from the body where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// An object whose fields are all raw.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident,)* $(; $rest:ident)? }) => {
        $(#[$doc])*
        #[derive(Deserialize)]
        pub(super) struct $name<'a> {
            $($(#[$attr])* #[serde(borrow)] pub $field: Raw<'a>,)*
            $(#[serde(flatten)] pub $rest: Map<String, Value>,)?
        }
    };
}

object! {
    /// The body.
    Request {
        model,
        messages,
        max_tokens,
        max_completion_tokens,
        temperature,
        top_p,
        /// OpenRouter, vLLM and others.
        top_k,
        stop,
        seed,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        logprobs,
        top_logprobs,
        n,
        stream,
        stream_options,
        tools,
        tool_choice,
        parallel_tool_calls,
        /// Older name of `tools`.
        functions,
        /// Older name of `tool_choice`.
        function_call,
        response_format,
        reasoning_effort,
        /// OpenRouter.
        reasoning,
        /// OpenRouter, older.
        include_reasoning,
        /// DeepSeek, Moonshot, Zhipu.
        thinking,
        /// Alibaba.
        enable_thinking,
        /// Alibaba.
        thinking_budget,
        verbosity,
        modalities,
        web_search_options,
        user,
        safety_identifier,
        prompt_cache_key,
        service_tier,
        /// OpenRouter: whether to count tokens.
        usage,
        ; rest
    }
}

object! {
    /// One entry of `messages`, whoever says it.
    Message {
        role,
        content,
        name,
        refusal,
        tool_calls,
        /// Older form of `tool_calls`.
        function_call,
        tool_call_id,
        audio,
        /// DeepSeek, Moonshot, Alibaba, Zhipu.
        reasoning_content,
        /// OpenRouter, Groq, vLLM.
        reasoning,
        /// OpenRouter.
        reasoning_details,
        /// OpenRouter and others, as Anthropic has it.
        cache_control,
    }
}

object! {
    /// One entry of a content that is a list.
    Part {
        #[serde(rename = "type")]
        kind,
        text,
        image_url,
        file,
        refusal,
        /// Mistral.
        thinking,
        /// OpenRouter and others, as Anthropic has it.
        cache_control,
        prompt_cache_breakpoint,
    }
}

object! {
    /// `image_url`.
    ImageUrl {
        url,
    }
}

object! {
    /// `file`.
    #[expect(clippy::struct_field_names, reason = "the names on the wire")]
    File {
        file_data,
        file_id,
        filename,
    }
}

object! {
    /// One entry of `tool_calls`.
    ToolCall {
        #[serde(rename = "type")]
        kind,
        id,
        function,
        custom,
    }
}

object! {
    /// `function` of a call, or `function_call`.
    Call {
        name,
        arguments,
    }
}

object! {
    /// `custom` of a call.
    CustomCall {
        name,
        input,
    }
}

object! {
    /// One entry of `tools`. The fields of `function` also stand beside it, as Responses has them and some clients
    /// send them here.
    Tool {
        #[serde(rename = "type")]
        kind,
        function,
        custom,
        name,
        description,
        parameters,
        strict,
        cache_control,
    }
}

object! {
    /// `function` of a tool, or one entry of `functions`.
    Function {
        name,
        description,
        parameters,
        strict,
        cache_control,
    }
}

object! {
    /// `custom` of a tool.
    Custom {
        name,
        description,
        format,
    }
}

object! {
    /// `format` of a custom tool.
    CustomFormat {
        #[serde(rename = "type")]
        kind,
        grammar,
    }
}

object! {
    /// `tool_choice`, where it is not a word.
    ToolChoice {
        #[serde(rename = "type")]
        kind,
        function,
        custom,
        name,
        allowed_tools,
    }
}

object! {
    /// `allowed_tools` of a choice.
    AllowedTools {
        mode,
        tools,
    }
}

object! {
    /// Whatever names a tool.
    Named {
        name,
    }
}

object! {
    /// `response_format`.
    ResponseFormat {
        #[serde(rename = "type")]
        kind,
        json_schema,
        /// Of `json_object`, at Together and others.
        schema,
    }
}

object! {
    /// `response_format.json_schema`.
    JsonSchema {
        name,
        description,
        schema,
        strict,
    }
}

object! {
    /// `stream_options`.
    StreamOptions {
        include_usage,
    }
}

object! {
    /// `usage` of OpenRouter.
    UsageWish {
        include,
    }
}

object! {
    /// `reasoning` of OpenRouter.
    Reasoning {
        effort,
        max_tokens,
        enabled,
        exclude,
    }
}

object! {
    /// `thinking`.
    Thinking {
        #[serde(rename = "type")]
        kind,
        budget_tokens,
    }
}

object! {
    /// `web_search_options`. `search_context_size` is a hint, and is not read.
    WebSearch {
        user_location,
    }
}

object! {
    /// `web_search_options.user_location`.
    UserLocation {
        approximate,
    }
}
