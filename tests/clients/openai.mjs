// The OpenAI TypeScript SDK against the proxy. Same environment and same report as sdk_python.py, and the core of
// the cases of openai_python.py.

import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import { calls, check, last, planned, raises, report, summary } from './reporting.mjs';

const MODEL = 'claude-sonnet-4-6';
const City = z.object({ name: z.string(), people: z.number() });
const PARAMETERS = {
  type: 'object',
  properties: { a: { type: 'integer' }, b: { type: 'integer' } },
  required: ['a', 'b'],
  additionalProperties: false,
};
const FUNCTION = { name: 'add', description: 'adds', parameters: PARAMETERS, strict: true };
const SUM = { name: 'add', input: { a: 2, b: 40 } };
const LOOP = { tools: [SUM, [SUM, { name: 'add', input: { a: 1, b: 10 } }]], think: 'add them' };
const LOOP_ENDS = 'finished. The tools said: 42 | 42 | 11';

const client = (base, more = {}) =>
  new OpenAI({ apiKey: process.env.KEY, baseURL: `${base}/v1`, maxRetries: 0, timeout: 30_000, ...more });

const chat = (plan, more = {}) => ({
  model: MODEL,
  messages: [{ role: 'user', content: planned(plan) }],
  ...more,
});

const ask = (plan, more = {}) => ({ model: MODEL, input: planned(plan), store: false, ...more });

const resultOf = (text) => {
  const { a, b } = JSON.parse(text);
  return String(a + b);
};

const cases = {
  async chat_answer(base) {
    const answer = await client(base).chat.completions.create(chat({ say: 'plain and simple' }));
    check(answer.choices[0].message.content === 'plain and simple', answer);
    check(answer.choices[0].finish_reason === 'stop' && answer.usage.total_tokens === 40, answer);
    check(answer._request_id, answer);
  },

  async chat_stream(base) {
    const stream = client(base).chat.completions.stream(
      chat({ say: 'piece by piece by piece' }, { stream_options: { include_usage: true } }),
    );
    const parts = [];
    stream.on('content', (delta) => parts.push(delta));
    const final = await stream.finalChatCompletion();
    check(parts.join('') === 'piece by piece by piece' && parts.length > 1, parts);
    check((await stream.totalUsage()).total_tokens === 40, final);
  },

  async chat_tool_loop(base) {
    const messages = chat(LOOP).messages;
    for (;;) {
      const tools = [{ type: 'function', function: FUNCTION }];
      const stream = client(base).chat.completions.stream({ model: MODEL, messages, tools });
      const { message } = (await stream.finalChatCompletion()).choices[0];
      if (!message.tool_calls?.length) {
        check(message.content.endsWith(LOOP_ENDS), message);
        return;
      }
      messages.push(message);
      for (const call of message.tool_calls) {
        const content = resultOf(call.function.arguments);
        messages.push({ role: 'tool', tool_call_id: call.id, content });
      }
    }
  },

  async chat_runner(base) {
    const tool = {
      type: 'function',
      function: { ...FUNCTION, parse: JSON.parse, function: ({ a, b }) => String(a + b) },
    };
    const runner = client(base).chat.completions.runTools(chat(LOOP, { stream: true, tools: [tool] }));
    const text = await runner.finalContent();
    check(text.endsWith(LOOP_ENDS), text);
  },

  async chat_parse(base) {
    const answer = await client(base).chat.completions.parse(
      chat({ say: '{"name":"Paris","people":2}' }, { response_format: zodResponseFormat(City, 'city') }),
    );
    check(answer.choices[0].message.parsed.people === 2, answer);
  },

  async chat_cut(base) {
    await raises(OpenAI.APIError, async () => {
      const plan = { say: 'half of an answer, and no more', cut: true };
      const stream = await client(base).chat.completions.create(chat(plan, { stream: true }));
      for await (const _ of stream);
    });
  },

  async answer(base) {
    const answer = await client(base).responses.create(ask({ say: 'plain and simple' }));
    check(answer.output_text === 'plain and simple' && answer.status === 'completed', answer);
    check(answer.usage.total_tokens === 40, answer);
  },

  async stream(base) {
    const stream = client(base).responses.stream(ask({ say: 'piece by piece by piece', think: 'well' }));
    const parts = [];
    stream.on('response.output_text.delta', (event) => parts.push(event.delta));
    const final = await stream.finalResponse();
    check(parts.join('') === final.output_text && parts.length > 1, parts);
    check(final.output_text === 'piece by piece by piece', final);
    check(final.output[0].type === 'reasoning', final.output);
  },

  async tool_loop(base, side) {
    const input = [{ role: 'user', content: planned(LOOP) }];
    for (;;) {
      const fields = { model: MODEL, input, store: false, include: ['reasoning.encrypted_content'] };
      const stream = client(base).responses.stream({
        ...fields,
        tools: [{ type: 'function', ...FUNCTION }],
      });
      const final = await stream.finalResponse();
      const used = final.output.filter((item) => item.type === 'function_call');
      if (!used.length) {
        check(final.output_text.endsWith(LOOP_ENDS), final);
        break;
      }
      for (const { parsed_arguments, ...item } of final.output) input.push(item);
      for (const { call_id, arguments: given } of used) {
        input.push({ type: 'function_call_output', call_id, output: resultOf(given) });
      }
    }
    if (side === 'R') {
      const sealed = last(calls(side)).body.input.filter((item) => item.encrypted_content);
      check(sealed.length === 2, sealed);
    }
  },

  async parse(base) {
    const answer = await client(base).responses.parse(
      ask({ say: '{"name":"Paris","people":2}' }, { text: { format: zodTextFormat(City, 'city') } }),
    );
    check(answer.output_parsed.people === 2, answer);
  },

  async cut(base) {
    await raises(OpenAI.OpenAIError, () => {
      const plan = { say: 'half of an answer, and no more', cut: true };
      return client(base).responses.stream(ask(plan)).finalResponse();
    });
  },

  async many_at_once(base) {
    const texts = await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const answer = await client(base).responses.stream(ask({ say: `answer number ${n}` })).finalResponse();
        return answer.output_text;
      }),
    );
    texts.forEach((text, n) => check(text === `answer number ${n}`, texts));
  },

  async models(base) {
    const ids = [];
    for await (const model of client(base).models.list()) ids.push(model.id);
    check(ids.includes(MODEL), ids);
  },

  async wrong_gateway_key(base) {
    const stranger = client(base, { apiKey: 'nope' });
    for (const run of [
      () => stranger.chat.completions.create(chat()),
      () => stranger.responses.create(ask()),
      () => stranger.models.list(),
    ]) {
      const fault = await raises(OpenAI.AuthenticationError, run);
      check(fault.code === 'invalid_api_key', fault.error);
    }
  },
};

const errors = [
  [400, 'BadRequestError'],
  [401, 'InternalServerError'],
  [404, 'NotFoundError'],
  [429, 'RateLimitError'],
  [500, 'InternalServerError'],
  [529, 'InternalServerError'],
];

async function providerError(base, kind, status, name) {
  for (const stream of [false, true]) {
    const fields = chat({ status }, { model: `${kind}-${status}-${stream}`, stream });
    const fault = await raises(OpenAI[name], () => client(base).chat.completions.create(fields));
    check(fault.requestID && fault.message, fault);
  }
}

for (const side of 'ABRG') {
  for (const [name, run] of Object.entries(cases)) {
    await report(`${side} ${name}`, () => run(process.env[`PROXY_${side}`], side));
  }
}
for (const kind of ['anthropic', 'openai', 'openai-responses', 'gemini']) {
  for (const [status, name] of errors) {
    await report(`S ${kind} ${status} is ${name}`, () =>
      providerError(process.env.PROXY_S, kind, status, name),
    );
  }
}
summary();
