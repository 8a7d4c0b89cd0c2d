// Drives the official client against a server: node client.mjs BASE_URL CUT_URL. CUT_URL breaks every stream off
// without a word. Any failed check ends the process with a status other than 0.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [base, cut] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base + "/v1", apiKey: "key", maxRetries: 0 });
const messages = [{ role: "user", content: "hi" }];

const checks = {
  async plain() {
    const { data, response } = await client.chat.completions
      .create({ model: "fixed", messages, temperature: 0, max_tokens: 50 })
      .withResponse();
    assert.equal(data.choices[0].message.content, "one two three four");
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(data.model, "fixed");
    assert.ok(data.usage.completion_tokens > 0);
    assert.ok(data.id.startsWith("chatcmpl-"));
    assert.equal("chatcmpl-" + response.headers.get("fairlead-run"), data.id);
    assert.equal(response.headers.get("fairlead-target"), "fixed");
  },

  async stream() {
    const stream = await client.chat.completions.create({
      model: "fixed", messages, stream: true, stream_options: { include_usage: true },
    });
    let text = "", usage, last, finish;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
      last = chunk;
    }
    assert.equal(text, "one two three four");
    assert.equal(finish, "stop");
    assert.deepEqual(last.choices, []);
    assert.ok(usage.total_tokens >= usage.completion_tokens);
    assert.equal(last.fairlead.target, "fixed");
  },

  async streamHelper() {
    const final = await client.chat.completions.stream({ model: "fixed", messages }).finalChatCompletion();
    assert.equal(final.choices[0].message.content, "one two three four");
  },

  async tools() {
    const tools = [{
      type: "function",
      function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
    }];
    const plain = await client.chat.completions.create({ model: "tool", messages, tools });
    const streamed = await client.chat.completions.stream({ model: "tool", messages, tools }).finalChatCompletion();
    for (const answer of [plain, streamed]) {
      const [choice] = answer.choices;
      assert.equal(choice.finish_reason, "tool_calls");
      assert.equal(choice.message.tool_calls.length, 1);
      assert.equal(choice.message.tool_calls[0].function.name, "weather");
      assert.deepEqual(JSON.parse(choice.message.tool_calls[0].function.arguments), { city: "Köln" });
      assert.ok(choice.message.tool_calls[0].id);
    }
    // What came is sent back as it came, with the tool's result.
    const { message } = plain.choices[0];
    const next = await client.chat.completions.create({
      model: "fixed", tools,
      messages: [...messages, message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "rain" }],
    });
    assert.equal(next.choices[0].message.content, "one two three four");
  },

  async embeddings() {
    const input = ["the sick leave policy", "the parking rules"];
    const encoded = await client.embeddings.create({ model: "embedder", input }); // base64 on the wire
    const floats = await client.embeddings.create({ model: "embedder", input, encoding_format: "float" });
    assert.equal(encoded.data.length, 2);
    assert.equal(encoded.data[1].index, 1);
    assert.ok(floats.data[0].embedding.length > 1);
    for (const i of [0, 1]) {
      assert.deepEqual(
        new Float32Array(encoded.data[i].embedding), new Float32Array(floats.data[i].embedding));
    }
    assert.notDeepEqual(floats.data[0].embedding, floats.data[1].embedding);
  },

  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    for (const id of ["auto", "policy/default", "fixed", "embedder"]) {
      assert.ok(ids.includes(id), id);
      assert.equal((await client.models.retrieve(id)).id, id);
    }
    await assert.rejects(client.models.retrieve("policy/none"), OpenAI.NotFoundError);
  },

  async errors() {
    const fails = async (request, type, code) => {
      for (const stream of [false, true]) {
        await assert.rejects(client.chat.completions.create({ messages, stream, ...request }), (err) => {
          assert.ok(err instanceof type, `${err.constructor.name} is not ${type.name}: ${err.message}`);
          assert.equal(err.code, code);
          assert.ok(err.requestID);
          return true;
        });
      }
    };
    await fails({ model: "none" }, OpenAI.NotFoundError, "model_not_found");
    await fails({ model: "limited" }, OpenAI.RateLimitError, "rate_limit_exceeded");
    await fails({ model: "fixed", messages: [] }, OpenAI.BadRequestError, "invalid_value");
    await fails({ model: "fixed", n: 2 }, OpenAI.BadRequestError, "unsupported_value");
    await fails({ model: "down" }, OpenAI.InternalServerError, "upstream_unavailable");
  },

  async brokenStream() {
    let text = "";
    await assert.rejects(async () => {
      const stream = await client.chat.completions.create({ model: "cut", messages, stream: true });
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
    }, (err) => err instanceof OpenAI.APIError && err.code === "stream_truncated");
    assert.notEqual(text, "", "something was sent before the cut");
    await assert.rejects(client.chat.completions.stream({ model: "cut", messages }).finalChatCompletion());
  },

  // The connection's end alone, without the frame that tells of it, is an error too.
  async cutConnection() {
    const other = new OpenAI({ baseURL: cut + "/v1", apiKey: "key", maxRetries: 0 });
    await assert.rejects(async () => {
      const stream = await other.chat.completions.create({ model: "any", messages, stream: true });
      for await (const _ of stream);
    });
  },
};

let failed = false;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log("ok", name);
  } catch (err) {
    failed = true;
    console.log("FAILED", name, err);
  }
}
process.exit(failed ? 1 : 0);
