// What the SDK programs share: one line per case for `harness.Score.merge`.

import { readFileSync } from 'node:fs';

let failed = 0;

export async function report(name, run) {
  try {
    await run();
    console.log(`ok - ${name}`);
  } catch (fault) {
    failed += 1;
    console.log(`not ok - ${name} | ${String(fault.stack).slice(0, 1500).replaceAll('\n', '\\n')}`);
  }
}

export const summary = () => process.exit(failed ? 1 : 0);

export function check(condition, found) {
  if (!condition) throw new Error('unexpected: ' + JSON.stringify(found));
}

export async function raises(kind, run) {
  let answer;
  try {
    answer = await run();
  } catch (fault) {
    if (fault instanceof kind) return fault;
    throw new Error(`${fault.constructor.name} instead of ${kind.name}: ${fault.message}`);
  }
  throw new Error(`an answer instead of ${kind.name}: ${JSON.stringify(answer)}`);
}

// A user text, with or without a plan for the upstream.
export const planned = (plan, text = 'Say something.') =>
  text + (plan ? ' play:' + JSON.stringify(plan) : '');

export const calls = (side) =>
  readFileSync(process.env[`RECORD_${side}`], 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

export const last = (list) => list[list.length - 1];
