// An unmodified OpenAI client against the endpoint in argv: what a developer
// would write.  Prints "ok NAME" or "FAIL NAME: why" for each.
import { createRequire } from 'node:module';
import process from 'node:process';

const [modules, baseURL] = process.argv.slice(2);
const require = createRequire(modules + '/');
const OpenAI = require('openai').default;
const client = new OpenAI({ apiKey: 'sk-test-canary', baseURL, maxRetries: 0 });
const model = 'confd-demo';
let bad = 0;

function assert(condition, what) {
	if (!condition)
		throw new Error(what);
}

const ask = (content, more = {}) => client.chat.completions.create(
	{ model, messages: [{ role: 'user', content }], ...more });

async function streamed(content) {
	let said = '';
	const stream = await ask(content, { stream: true, stream_options: { include_usage: true } });
	let usage = null;
	for await (const chunk of stream) {
		said += chunk.choices[0]?.delta?.content ?? '';
		usage = chunk.usage ?? usage;
	}
	return [said, usage];
}

const tests = {
	async openai_plain() {
		const answer = await ask('one two three');
		assert(answer.choices[0].message.content.includes('3 words'), answer);
	},
	async openai_streaming_with_usage() {
		const [said, usage] = await streamed('hello stream');
		assert(said.endsWith('hello stream'), said);
		assert(usage.prompt_tokens === 2, JSON.stringify(usage));
	},
	async openai_models() {
		const list = await client.models.list();
		assert(list.data[0].id === model, JSON.stringify(list.data));
	},
	async openai_abort_mid_stream() {
		const stream = await ask('abort me '.repeat(50), { stream: true });
		for await (const _ of stream) {
			stream.controller.abort();
			break;
		}
		const answer = await ask('after the abort');
		assert(answer.choices.length === 1, 'no answer after an abort');
	},
	async openai_fifty_concurrent_streams() {
		const all = await Promise.all(Array.from({ length: 50 }, (_, i) => streamed(`stream ${i}`)));
		all.forEach(([said], i) => assert(said.endsWith(`stream ${i}`), said));
	},
	async openai_error_is_passed_through() {
		try {
			await client.chat.completions.create({ model });
			throw new Error('no error came');
		} catch (e) {
			assert(e.status === 400 && e.message.includes('messages'), String(e));
		}
	},
	async openai_unknown_route_is_a_404_error() {
		try {
			await client.post('/no/such/route', { body: {} });
			throw new Error('no error came');
		} catch (e) {
			assert(e.status === 404 && e.constructor.name === 'NotFoundError', String(e));
		}
	},
	async openai_five_megabyte_prompt() {
		const answer = await ask('x'.repeat(5 << 20));
		assert(answer.choices[0].message.content.includes(`${5 << 20} bytes`), 'wrong size');
	},
};

for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok ${name}`);
	} catch (e) {
		bad++;
		console.log(`FAIL ${name}: ${String(e.stack ?? e).slice(0, 400)}`);
	}
}
process.exit(bad === 0 ? 0 : 1);
