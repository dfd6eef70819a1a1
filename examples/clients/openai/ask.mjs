// Asks a model with OpenAI's own client, as npm has it. Where the gateway is and who pays stands in the environment, where
// the client itself looks for it: OPENAI_BASE_URL (the gateway's URL with /v1) and OPENAI_API_KEY.
//
//   npm ci --ignore-scripts
//   echo '{"model":"perseid/tiny-chat","messages":[{"role":"user","content":"Tell me a story."}],"stream":true}' | node ask.mjs
//
// Reads one request from its standard input and prints a line of JSON for each piece of the answer and one for its end.
// `node ask.mjs --version` prints which client this is.
import OpenAI from 'openai';
import { VERSION } from 'openai/version';

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

async function ask(request) {
  const client = new OpenAI();
  const begun = performance.now();
  let firstMs = null;
  let usage = null;
  let finish = null;
  const heard = (piece) => {
    if (!piece) return;
    firstMs ??= performance.now() - begun;
    say({ piece });
  };
  const { data, response } = await client.chat.completions.create(request).withResponse();
  if (request.stream) {
    for await (const chunk of data) {
      heard(chunk.choices[0]?.delta?.content);
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
  } else {
    heard(data.choices[0].message.content);
    finish = data.choices[0].finish_reason;
    usage = data.usage;
  }
  say({
    end: {
      provider: response.headers.get('x-perseid-provider'),
      first_ms: firstMs,
      total_ms: performance.now() - begun,
      finish_reason: finish,
      completion_tokens: usage?.completion_tokens ?? null,
      cost: usage?.cost ?? null,
    },
  });
}

if (process.argv[2] === '--version') {
  say({ client: 'openai', version: VERSION, node: process.version });
} else {
  try {
    let text = '';
    for await (const piece of process.stdin.setEncoding('utf8')) text += piece;
    await ask(JSON.parse(text));
  } catch (e) {
    say({ failed: e instanceof Error ? e.message : String(e) });
    process.exitCode = 1;
  }
}
