// The Vercel AI SDK against the proxy, with the providers of both vendors: streamed text, an object, and a loop
// with a tool. Same environment and same report as sdk_python.py.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

import { check, planned, report, summary } from './reporting.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const MODEL = 'claude-sonnet-4-6';
const apiKey = process.env.KEY;
const LOOP = { tools: [{ name: 'add', input: { a: 2, b: 40 } }], think: 'I should add them' };

const add = tool({
  description: 'adds two numbers',
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => String(a + b),
});

function models(base) {
  const openai = createOpenAI({ apiKey, baseURL: `${base}/v1` });
  const anthropic = createAnthropic({ apiKey, baseURL: `${base}/v1` });
  return {
    chat: openai.chat(MODEL),
    responses: openai.responses(MODEL),
    messages: anthropic(MODEL),
  };
}

const common = { maxRetries: 0, providerOptions: { openai: { store: false } } };

const cases = {
  async streamed_text(model) {
    const stream = streamText({ model, prompt: planned({ say: 'piece by piece by piece' }), ...common });
    const parts = [];
    for await (const part of stream.textStream) parts.push(part);
    check(parts.join('') === 'piece by piece by piece' && parts.length > 1, parts);
    const usage = await stream.usage;
    check(usage.inputTokens === 25 && usage.outputTokens === 15, usage);
    check((await stream.finishReason) === 'stop', await stream.finishReason);
  },

  async tool_loop(model) {
    const options = { model, tools: { add }, stopWhen: stepCountIs(3), prompt: planned(LOOP), ...common };
    const whole = await generateText(options);
    check(whole.text.endsWith('finished. The tools said: 42'), whole.steps);
    const stream = streamText(options);
    await stream.consumeStream();
    check((await stream.text).endsWith('finished. The tools said: 42'), await stream.steps);
  },

  async object(model) {
    const schema = z.object({ name: z.string(), people: z.number() });
    const found = await generateText({
      model,
      output: Output.object({ schema }),
      prompt: planned({ say: '{"name": "Paris", "people": 2100000}' }),
      ...common,
    });
    check(found.output.name === 'Paris' && found.output.people === 2100000, found.output);
  },
};

for (const side of 'ABRG') {
  for (const [kind, model] of Object.entries(models(process.env[`PROXY_${side}`]))) {
    for (const [name, run] of Object.entries(cases)) {
      await report(`${side} ${kind} ${name}`, () => run(model));
    }
  }
}
summary();
