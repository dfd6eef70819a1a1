// All clients against one gateway: node clients.mjs <url> <key>. Prints for each check
// "check<TAB>name<TAB>ok" or "check<TAB>name<TAB>what is wrong"; NodeClientsTest reads that.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import {zodTextFormat} from 'openai/helpers/zod';
import Anthropic from '@anthropic-ai/sdk';
import {Ollama} from 'ollama';
import {createOpenAI} from '@ai-sdk/openai';
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {embed, embedMany, generateObject, generateText, stepCountIs, streamText, tool} from 'ai';
import {z} from 'zod';

const [url, key] = process.argv.slice(2);
const HELLO = 'Hello from the market';
const SUNNY = 'It is sunny in Paris.';
globalThis.AI_SDK_LOG_WARNINGS = false;

async function check(name, action) {
  let result = 'ok';
  try {
    await action();
  } catch (e) {
    result = `${e?.constructor?.name}: ${String(e?.stack ?? e).replaceAll(/\s+/g, ' ').slice(0, 600)}`;
  }
  console.log(`check\t${name}\t${result}`);
}

// Resolves to the error that an action ends with; an action that does not fail is one.
async function failure(action) {
  let result;
  try {
    result = await action();
  } catch (e) {
    return e;
  }
  assert.fail(`no error was seen, but ${JSON.stringify(result)}`);
}

const messages = [{role: 'user', content: 'hi'}];
const parameters = {type: 'object', properties: {city: {type: 'string'}}, required: ['city'], additionalProperties: false};

// ---- openai: chat, completions, embeddings, models -------------------------------------------------
{
  const client = new OpenAI({baseURL: url + '/v1', apiKey: key});
  const tools = [{type: 'function', function: {name: 'get_weather', parameters}}];
  const chat = (model, more = {}) => client.chat.completions.create({model, messages, ...more});

  await check('openai: chat', async () => {
    const answer = await chat('m');
    assert.equal(answer.choices[0].message.content, HELLO);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.model, 'm');
    assert.equal(answer.usage.total_tokens, 17);
  });
  await check('openai: chat streams, with usage', async () => {
    const stream = client.chat.completions.stream({model: 'm', messages, stream_options: {include_usage: true}});
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0].message.content, HELLO);
    assert.equal(answer.usage.total_tokens, 17);
  });
  await check('openai: chat calls a tool', async () => {
    const call = (await chat('m', {tools})).choices[0].message.tool_calls[0];
    assert.deepEqual(JSON.parse(call.function.arguments), {city: 'Paris'});
  });
  await check('openai: chat calls a tool in a stream', async () => {
    const stream = client.chat.completions.stream({model: 'm', messages, tools});
    const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'get_weather');
    assert.deepEqual(JSON.parse(call.function.arguments), {city: 'Paris'});
  });
  await check('openai: chat runs tools by itself', async () => {
    const run = client.chat.completions.runTools({
      model: 'm', messages,
      tools: [{type: 'function', function: {name: 'get_weather', parameters, parse: JSON.parse, function: () => 'sunny'}}],
    });
    assert.equal(await run.finalContent(), SUNNY);
  });
  await check('openai: chat is cut', async () => {
    assert.equal((await chat('m', {max_tokens: 1})).choices[0].finish_reason, 'length');
  });
  await check('openai: completions', async () => {
    assert.equal((await client.completions.create({model: 'm', prompt: 'x'})).choices[0].text, 'Once upon a time');
  });
  await check('openai: completions stream', async () => {
    let text = '';
    for await (const part of await client.completions.create({model: 'm', prompt: 'x', stream: true})) {
      text += part.choices[0]?.text ?? '';
    }
    assert.equal(text, 'Once upon a time');
  });
  await check('openai: embeddings in base64, the default', async () => {
    const answer = await client.embeddings.create({model: 'e', input: ['x', 'y']});
    assert.deepEqual(answer.data.map(d => d.embedding), [[0.5, -1.25, 0], [0.5, -1.25, 1]]);
  });
  await check('openai: embeddings as numbers', async () => {
    const answer = await client.embeddings.create({model: 'e', input: 'x', encoding_format: 'float'});
    assert.deepEqual(answer.data[0].embedding, [0.5, -1.25, 0]);
  });
  await check('openai: models', async () => {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes('m') && names.includes('e'), names.join());
    assert.equal((await client.models.retrieve('m')).id, 'm');
  });
  await check('openai: 401', async () => {
    const e = await failure(() => new OpenAI({baseURL: url + '/v1', apiKey: 'sk-wrong'}).models.list());
    assert.ok(e instanceof OpenAI.AuthenticationError, String(e));
  });
  await check('openai: 404', async () => {
    assert.ok((await failure(() => client.files.list())) instanceof OpenAI.NotFoundError);
    const e = await failure(() => chat('nobody'));
    assert.ok(e instanceof OpenAI.NotFoundError);
    assert.equal(e.code, 'model_not_found');
  });
  await check('openai: 400', async () => {
    assert.ok((await failure(() => chat('refuses'))) instanceof OpenAI.BadRequestError);
  });
  await check('openai: 402', async () => {
    assert.equal((await failure(() => chat('unpaid'))).status, 402);
  });
  await check('openai: 429', async () => {
    assert.ok((await failure(() => chat('busy'))) instanceof OpenAI.RateLimitError);
  });
  await check('openai: 429 is tried again', async () => {
    assert.equal((await chat('busyonce')).choices[0].message.content, HELLO);
  });
  await check('openai: an error in a stream is seen', async () => {
    const e = await failure(async () => {
      for await (const part of await chat('midstream', {stream: true})) void part;
    });
    assert.match(e.message, /went away/);
  });

  // ---- openai: responses ---------------------------------------------------------------------------
  const functions = [{type: 'function', name: 'get_weather', parameters, strict: true}];
  const ask = (more = {}) => client.responses.create({model: 'm', input: 'hi', ...more});

  await check('responses: text', async () => {
    const answer = await ask();
    assert.equal(answer.output_text, HELLO);
    assert.equal(answer.status, 'completed');
    assert.equal(answer.usage.total_tokens, 17);
    assert.equal(answer.usage.input_tokens_details.cached_tokens, 4);
  });
  await check('responses: every event of a text, in order', async () => {
    const types = [];
    let number = 0;
    for await (const event of await ask({stream: true})) {
      assert.equal(event.sequence_number, number++);
      if (types.at(-1) !== event.type) types.push(event.type);
    }
    assert.deepEqual(types, ['response.created', 'response.in_progress', 'response.output_item.added',
      'response.content_part.added', 'response.output_text.delta', 'response.output_text.done',
      'response.content_part.done', 'response.output_item.done', 'response.completed']);
  });
  await check('responses: streams', async () => {
    const stream = client.responses.stream({model: 'm', input: 'hi'});
    const answer = await stream.finalResponse();
    assert.equal(answer.output_text, HELLO);
    assert.equal(answer.usage.total_tokens, 17);
  });
  await check('responses: instructions', async () => {
    assert.equal((await ask({instructions: 'be kind'})).output_text, `${HELLO} (be kind)`);
  });
  await check('responses: system message among the items', async () => {
    const answer = await ask({input: [{role: 'system', content: 'be brief'}, {role: 'user', content: [{type: 'input_text', text: 'hi'}]}]});
    assert.equal(answer.output_text, `${HELLO} (be brief)`);
  });
  await check('responses: tools, and their answer', async () => {
    const input = [{role: 'user', content: 'weather?'}];
    const first = await ask({input, tools: functions, tool_choice: 'required'});
    const call = first.output.find(item => item.type === 'function_call');
    assert.deepEqual(JSON.parse(call.arguments), {city: 'Paris'});
    input.push(...first.output, {type: 'function_call_output', call_id: call.call_id, output: 'sunny'});
    assert.equal((await ask({input, tools: functions})).output_text, SUNNY);
  });
  await check('responses: tools in a stream', async () => {
    const stream = client.responses.stream({model: 'm', input: 'hi', tools: functions});
    const types = new Set();
    stream.on('event', event => types.add(event.type));
    const answer = await stream.finalResponse();
    assert.deepEqual(answer.output[0].parsed_arguments ?? JSON.parse(answer.output[0].arguments), {city: 'Paris'});
    assert.ok(types.has('response.function_call_arguments.delta') && types.has('response.function_call_arguments.done'));
  });
  await check('responses: several turns', async () => {
    const answer = await ask({input: [{role: 'user', content: 'I am Ada.'}, {role: 'assistant', content: 'Hello Ada!'}, {role: 'user', content: 'Who am I?'}]});
    assert.equal(answer.output_text, HELLO);
  });
  await check('responses: by a schema', async () => {
    const format = zodTextFormat(z.object({city: z.string(), degrees: z.number()}), 'weather');
    const answer = await client.responses.parse({model: 'm', input: 'hi', text: {format}});
    assert.deepEqual(answer.output_parsed, {city: 'Paris', degrees: 21});
  });
  await check('responses: cut', async () => {
    const answer = await ask({max_output_tokens: 1});
    assert.equal(answer.status, 'incomplete');
    assert.equal(answer.incomplete_details.reason, 'max_output_tokens');
  });
  await check('responses: what is not offered is refused', async () => {
    const image = {role: 'user', content: [{type: 'input_image', file_id: 'file_1', detail: 'auto'}]};
    for (const more of [{previous_response_id: 'resp_1'}, {background: true}, {tools: [{type: 'web_search'}]}, {input: [image]}]) {
      const e = await failure(() => ask(more));
      assert.ok(e instanceof OpenAI.BadRequestError && e.param, String(e));
    }
    assert.ok((await failure(() => client.responses.retrieve('resp_1'))) instanceof OpenAI.NotFoundError);
  });
  await check('responses: an error in a stream is seen', async () => {
    const e = await failure(() => client.responses.stream({model: 'midstream', input: 'hi'}).finalResponse());
    assert.match(e.message, /went away/);
  });
}

// ---- anthropic ---------------------------------------------------------------------------------------
{
  const client = new Anthropic({baseURL: url, apiKey: key});
  const tools = [{name: 'get_weather', input_schema: parameters}];
  const create = (more = {}) => client.messages.create({model: 'm', max_tokens: 50, messages, ...more});

  await check('anthropic: message', async () => {
    const answer = await create({system: 'be kind'});
    assert.equal(answer.content[0].text, `${HELLO} (be kind)`);
    assert.equal(answer.stop_reason, 'end_turn');
    assert.deepEqual([answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens], [8, 4, 5]);
  });
  await check('anthropic: message streams', async () => {
    const answer = await client.messages.stream({model: 'm', max_tokens: 50, messages}).finalMessage();
    assert.equal(answer.content[0].text, HELLO);
    assert.equal(answer.stop_reason, 'end_turn');
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [8, 5]);
  });
  await check('anthropic: every event, in order', async () => {
    const types = [];
    for await (const event of await create({stream: true})) {
      if (types.at(-1) !== event.type) types.push(event.type);
    }
    assert.deepEqual(types, ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta', 'message_stop']);
  });
  await check('anthropic: tools, and their answer', async () => {
    const turn = await create({tools, tool_choice: {type: 'any'}});
    assert.equal(turn.stop_reason, 'tool_use');
    assert.deepEqual(turn.content[0].input, {city: 'Paris'});
    const answer = await create({tools, messages: [...messages, {role: 'assistant', content: turn.content},
      {role: 'user', content: [{type: 'tool_result', tool_use_id: turn.content[0].id, content: 'sunny'}]}]});
    assert.equal(answer.content[0].text, SUNNY);
  });
  await check('anthropic: tools in a stream', async () => {
    const answer = await client.messages.stream({model: 'm', max_tokens: 50, messages, tools}).finalMessage();
    assert.equal(answer.stop_reason, 'tool_use');
    assert.deepEqual(answer.content[0].input, {city: 'Paris'});
  });
  await check('anthropic: cut', async () => {
    assert.equal((await create({max_tokens: 1})).stop_reason, 'max_tokens');
  });
  await check('anthropic: tokens are counted', async () => {
    assert.ok((await client.messages.countTokens({model: 'm', messages})).input_tokens > 0);
  });
  await check('anthropic: models', async () => {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes('m'), names.join());
  });
  await check('anthropic: errors', async () => {
    const wrong = await failure(() => new Anthropic({baseURL: url, apiKey: 'sk-wrong'}).messages.create({model: 'm', max_tokens: 5, messages}));
    assert.ok(wrong instanceof Anthropic.AuthenticationError, String(wrong));
    const nobody = await failure(() => create({model: 'nobody'}));
    assert.ok(nobody instanceof Anthropic.NotFoundError);
    assert.match(nobody.requestID, /^req_/);
    assert.equal(nobody.error.request_id, nobody.requestID);
    assert.ok((await failure(() => create({model: 'busy'}))) instanceof Anthropic.RateLimitError);
    const image = {type: 'image', source: {type: 'base64', media_type: 'image/png', data: 'AA=='}};
    assert.ok((await failure(() => create({messages: [{role: 'user', content: [image]}]}))) instanceof Anthropic.BadRequestError);
  });
  await check('anthropic: an error in a stream is seen', async () => {
    for (const model of ['midstream', 'midtool']) {
      const e = await failure(() => client.messages.stream({model, max_tokens: 50, messages}).finalMessage());
      assert.match(e.message, /went away/);
    }
  });
}

// ---- ollama ------------------------------------------------------------------------------------------
{
  const client = new Ollama({host: url, headers: {Authorization: `Bearer ${key}`}});
  const tools = [{type: 'function', function: {name: 'get_weather', description: 'The weather', parameters}}];

  await check('ollama: chat', async () => {
    const answer = await client.chat({model: 'm', messages});
    assert.equal(answer.message.content, HELLO);
    assert.equal(answer.done_reason, 'stop');
    assert.deepEqual([answer.prompt_eval_count, answer.eval_count], [12, 5]);
  });
  await check('ollama: chat streams', async () => {
    let text = '', last;
    for await (last of await client.chat({model: 'm:latest', messages, stream: true})) text += last.message.content;
    assert.equal(text, HELLO);
    assert.equal(last.done, true);
    assert.ok(last.total_duration > 0 && last.eval_duration >= 0);
  });
  await check('ollama: tools, and their answer', async () => {
    const turn = await client.chat({model: 'm', messages, tools});
    assert.deepEqual(turn.message.tool_calls[0].function, {name: 'get_weather', arguments: {city: 'Paris'}});
    const answer = await client.chat({model: 'm', tools, messages: [...messages, turn.message, {role: 'tool', tool_name: 'get_weather', content: 'sunny'}]});
    assert.equal(answer.message.content, SUNNY);
    let calls = 0;
    for await (const line of await client.chat({model: 'm', messages, tools, stream: true})) calls += line.message.tool_calls?.length ?? 0;
    assert.equal(calls, 1);
  });
  await check('ollama: by a schema', async () => {
    const answer = await client.chat({model: 'm', messages, format: {type: 'object', properties: {city: {type: 'string'}}}});
    assert.equal(JSON.parse(answer.message.content).city, 'Paris');
  });
  await check('ollama: generate', async () => {
    assert.equal((await client.generate({model: 'm', prompt: 'hi', system: 'be kind'})).response, `${HELLO} (be kind)`);
    let text = '';
    for await (const line of await client.generate({model: 'm', prompt: 'hi', raw: true, stream: true})) text += line.response;
    assert.equal(text, 'Once upon a time');
    assert.equal((await client.generate({model: 'm', prompt: '', stream: false})).done_reason, 'load');
  });
  await check('ollama: list, ps, show, version', async () => {
    assert.ok((await client.list()).models.some(model => model.name === 'm:latest'));
    assert.ok((await client.ps()).models.some(model => model.name === 'm:latest'));
    assert.deepEqual((await client.show({model: 'm:latest'})).capabilities, ['completion', 'tools']);
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
  });
  await check('ollama: embed', async () => {
    assert.deepEqual((await client.embed({model: 'e', input: ['x', 'y']})).embeddings, [[0.5, -1.25, 0], [0.5, -1.25, 1]]);
    assert.deepEqual((await client.embeddings({model: 'e', prompt: 'x'})).embedding, [0.5, -1.25, 0]);
  });
  await check('ollama: errors', async () => {
    const keyless = await failure(() => new Ollama({host: url}).chat({model: 'm', messages}));
    assert.equal(keyless.status_code, 401);
    const nobody = await failure(() => client.chat({model: 'nobody', messages}));
    assert.equal(nobody.status_code, 404);
    assert.match(nobody.message, /nobody/);
    assert.equal((await failure(() => client.pull({model: 'm'}))).status_code, 400);
  });
  await check('ollama: an error in a stream is seen', async () => {
    const e = await failure(async () => {
      for await (const line of await client.chat({model: 'midstream', messages, stream: true})) void line;
    });
    assert.match(e.message, /went away/);
  });
}

// ---- ai-sdk ------------------------------------------------------------------------------------------
{
  const openai = createOpenAI({baseURL: url + '/v1', apiKey: key});
  const compatible = createOpenAICompatible({name: 'perseid', baseURL: url + '/v1', apiKey: key, includeUsage: true, supportsStructuredOutputs: true});
  const weather = execute => ({get_weather: tool({description: 'The weather', inputSchema: z.object({city: z.string()}), execute})});
  const schema = z.object({city: z.string(), degrees: z.number()});
  const read = async model => {
    const result = streamText({model, prompt: 'hi', onError() {}});
    let text = '';
    for await (const piece of result.textStream) text += piece;
    return [text, (await result.usage).totalTokens];
  };
  const kinds = {'responses': openai('m'), 'chat': openai.chat('m'), 'compatible': compatible('m')};
  for (const [name, model] of Object.entries(kinds)) {
    await check(`ai-sdk ${name}: generateText and streamText`, async () => {
      const answer = await generateText({model, system: 'be kind', prompt: 'hi'});
      assert.equal(answer.text, `${HELLO} (be kind)`);
      assert.equal(answer.usage.totalTokens, 17);
      assert.deepEqual(await read(model), [HELLO, 17]);
    });
    await check(`ai-sdk ${name}: tools in several steps`, async () => {
      const cities = [];
      const tools = weather(({city}) => { cities.push(city); return 'sunny'; });
      const answer = await generateText({model, prompt: 'weather?', tools, stopWhen: stepCountIs(3)});
      assert.equal(answer.text, SUNNY);
      const stream = streamText({model, prompt: 'weather?', tools, stopWhen: stepCountIs(3)});
      assert.equal(await stream.text, SUNNY);
      assert.deepEqual(cities, ['Paris', 'Paris']);
    });
    await check(`ai-sdk ${name}: generateObject`, async () => {
      assert.deepEqual((await generateObject({model, schema, prompt: 'hi'})).object, {city: 'Paris', degrees: 21});
    });
  }
  const broken = {'responses': openai('midstream'), 'chat': openai.chat('midstream'), 'compatible': compatible('midstream')};
  for (const [name, model] of Object.entries(broken)) {
    await check(`ai-sdk ${name}: an error in a stream is seen`, async () => {
      const seen = [];
      for await (const part of streamText({model, prompt: 'hi', maxRetries: 0, onError() {}}).fullStream) {
        if (part.type === 'error') seen.push(JSON.stringify(part.error) + String(part.error?.message));
      }
      assert.match(seen.join(), /went away/);
    });
  }
  await check('ai-sdk: embed and embedMany', async () => {
    assert.deepEqual((await embed({model: compatible.embeddingModel('e'), value: 'x'})).embedding, [0.5, -1.25, 0]);
    assert.deepEqual((await embedMany({model: openai.embedding('e'), values: ['x', 'y']})).embeddings, [[0.5, -1.25, 0], [0.5, -1.25, 1]]);
  });
}
