// The Anthropic TypeScript SDK against the proxy. Same environment and same report as
// sdk_python.py, and the same core set of cases.

import Anthropic from '@anthropic-ai/sdk';
import { createHash } from 'node:crypto';

import { calls, check, last, planned, raises, report, summary } from './reporting.mjs';

const MODEL = 'claude-sonnet-4-6';
const KEY = process.env.KEY;
const TOOL = {
  name: 'add',
  description: 'adds two numbers',
  input_schema: {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: 'integer' } },
    required: ['a', 'b'],
  },
};

const client = (base, more = {}) =>
  new Anthropic({ apiKey: KEY, baseURL: base, maxRetries: 0, timeout: 30_000, ...more });

const ask = (plan, text) => [{ role: 'user', content: planned(plan, text) }];

const usual = (plan, more = {}) => ({
  model: MODEL,
  max_tokens: 4000,
  messages: ask(plan),
  ...more,
});

const both = {
  async json_answer(base) {
    const message = await client(base).messages.create(usual({ say: 'plain and simple' }));
    check(message.content[0].text === 'plain and simple', message);
    check(message.stop_reason === 'end_turn' && message.usage.output_tokens === 15, message);
    check(message.model === MODEL && message._request_id, message);
  },

  async stream_answer(base) {
    const stream = client(base).messages.stream(usual({ say: 'piece by piece by piece' }));
    const parts = [];
    stream.on('text', (text) => parts.push(text));
    const final = await stream.finalMessage();
    check(parts.join('') === 'piece by piece by piece' && parts.length > 1, parts);
    check(final.content[0].text === parts.join(''), final);
    check(final.usage.output_tokens === 15 && final.stop_reason === 'end_turn', final);
  },

  async tool_loop(base, side) {
    const plan = { tools: [{ name: 'add', input: { a: 2, b: 40 } }], think: 'I should add them' };
    const messages = ask(plan);
    const turn = () =>
      client(base)
        .messages.stream({ model: MODEL, max_tokens: 4000, messages, tools: [TOOL] })
        .finalMessage();
    const first = await turn();
    // The signature of a Gemini call travels in a block of its own.
    const [thinking, use] = first.content.filter((block) => block.type !== 'redacted_thinking');
    check(first.stop_reason === 'tool_use', first);
    check(thinking.thinking === 'I should add them' && thinking.signature, first);
    check(use.name === 'add' && use.input.a === 2 && use.input.b === 40, first);
    const result = { type: 'tool_result', tool_use_id: use.id, content: '42' };
    messages.push({ role: 'assistant', content: first.content });
    messages.push({ role: 'user', content: [result] });
    const second = await turn();
    check(last(second.content).text.endsWith('The tools said: 42'), second);
    const sent = last(calls(side)).body.messages;
    if (side === 'A') check(sent[1].content[0].signature === thinking.signature, sent);
    if (side === 'B') check(last(sent).tool_call_id === sent[sent.length - 2].tool_calls[0].id, sent);
  },

  async tool_runner(base) {
    const add = { ...TOOL, run: async ({ a, b }) => String(a + b), parse: (input) => input };
    const runner = client(base).beta.messages.toolRunner({
      model: MODEL,
      max_tokens: 500,
      tools: [add],
      messages: ask({ tools: [{ name: 'add', input: { a: 30, b: 12 } }] }),
    });
    const final = await runner.runUntilDone();
    check(last(final.content).text.endsWith('The tools said: 42'), final);
  },

  async large_body(base, side) {
    const text = '0123456789abcde\n'.repeat(5 * 65536);
    const message = await client(base).messages.create({
      model: MODEL,
      max_tokens: 100,
      messages: ask({ say: 'got it' }, text),
    });
    check(message.content[0].text === 'got it', message);
    check(last(calls(side)).length > text.length, last(calls(side)).length);
  },

  async count_tokens(base) {
    const counted = await client(base).messages.countTokens({ model: MODEL, messages: ask() });
    check(counted.input_tokens > 5, counted);
  },

  async models(base) {
    const ids = [];
    for await (const model of client(base).models.list({ limit: 1000 })) ids.push(model.id);
    check(ids.includes(MODEL), ids);
    const one = await client(base).models.retrieve(MODEL);
    check(one.id === MODEL && one.type === 'model', one);
  },

  async many_at_once(base) {
    const texts = await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const stream = client(base).messages.stream(usual({ say: `answer number ${n}` }));
        return (await stream.finalMessage()).content[0].text;
      }),
    );
    texts.forEach((text, n) => check(text === `answer number ${n}`, texts));
  },

  async leaves_early(base, side) {
    const stream = await client(base).messages.create(
      usual({ say: 'never read to its end '.repeat(200) }, { stream: true }),
    );
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    stream.controller.abort();
    await both.json_answer(base, side);
  },

  async headers(base, side) {
    const { response } = await client(base).messages.create(usual()).withResponse();
    check(response.headers.get('request-id'), [...response.headers]);
    check(response.headers.get('x-pointsman-provider') === side.toLowerCase(), [...response.headers]);
  },

  async wrong_gateway_key(base) {
    const fault = await raises(Anthropic.AuthenticationError, () =>
      client(base, { apiKey: 'nope' }).messages.create(usual()),
    );
    check(fault.error.error.type === 'authentication_error', fault.error);
    check(fault.headers.get('x-should-retry') === 'false', [...fault.headers]);
  },

  async cut_stream_is_not_an_answer(base) {
    await raises(Anthropic.AnthropicError, () =>
      client(base).messages.stream(usual({ say: 'half of an answer', cut: true })).finalMessage(),
    );
  },
};

const passThrough = {
  async body_and_headers_pass(base, side) {
    let sha;
    const spy = (url, init) => {
      sha = createHash('sha256').update(init.body).digest('hex');
      return fetch(url, init);
    };
    await client(base, { fetch: spy }).messages.create(
      { ...usual({ say: 'as it is — ü \u2028' }), a_field_of_2027: { deep: [1, null] } },
      { headers: { 'anthropic-beta': 'some-beta-2027-01-01', 'anthropic-new-thing': '1' } },
    );
    const call = last(calls(side));
    const got = Object.fromEntries(call.headers);
    check(call.sha256 === sha, 'the body was changed');
    check(got['anthropic-beta'] === 'some-beta-2027-01-01', got);
    check(got['anthropic-new-thing'] === '1' && got['anthropic-version'], got);
    check(got['x-api-key'] === process.env.PROVIDER_KEY && !got.authorization, got);
  },
};

// What the upstream answers, the class that must be raised, the status and type it must carry.
const errors = [
  [400, 'BadRequestError', 400, 'invalid_request_error'],
  [401, 'InternalServerError', 502, 'api_error'],
  [404, 'NotFoundError', 404, 'not_found_error'],
  [413, 'ContentTooLargeError', 413, 'request_too_large'],
  [429, 'RateLimitError', 429, 'rate_limit_error'],
  [500, 'InternalServerError', 500, 'api_error'],
  [503, 'ServiceUnavailableError', 503, 'api_error'],
  [529, 'OverloadedError', 529, 'overloaded_error'],
];

async function providerError(base, dialect, [status, name, wanted, kind]) {
  if (dialect === 'gemini' && status === 503) {
    // "The model is overloaded" in Google's words.
    [name, wanted, kind] = ['OverloadedError', 529, 'overloaded_error'];
  }
  for (const stream of [false, true]) {
    const model = `${dialect}-${status}-${stream}`;
    const fault = await raises(Anthropic[name] ?? Anthropic.APIError, () =>
      client(base).messages.create({ ...usual({ status }, { stream }), model }),
    );
    check(fault.status === wanted && fault.error.error.type === kind, [fault.status, fault.error]);
    check(fault.requestID, [...fault.headers]);
  }
}

for (const side of 'ABRG') {
  const base = process.env[`PROXY_${side}`];
  for (const [name, run] of Object.entries(both)) {
    await report(`${side} ${name}`, () => run(base, side));
  }
}
for (const [name, run] of Object.entries(passThrough)) {
  await report(`A ${name}`, () => run(process.env.PROXY_A, 'A'));
}
for (const dialect of ['anthropic', 'openai', 'openai-responses', 'gemini']) {
  for (const row of errors) {
    await report(`S ${dialect} ${row[0]} is ${row[1]}`, () =>
      providerError(process.env.PROXY_S, dialect, row),
    );
  }
}
summary();
