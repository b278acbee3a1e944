// A client as somebody with Node.js would write it, from the .proto alone:
//     node client.js SCENARIO '{"address": "127.0.0.1:50051", "proto": "…/proto", …}'
// Prints what came of it as one line of JSON. test_node_client.py beside this folder runs it.

import fs from "node:fs";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import health from "grpc-health-check";

const LOADING = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const PATIENCE_SECONDS = 60;

const [scenario, text] = process.argv.slice(2);
const options = JSON.parse(text);

function credentials() {
  return options.ca ? grpc.credentials.createSsl(fs.readFileSync(options.ca)) : grpc.credentials.createInsecure();
}

function metadata() {
  const pairs = new grpc.Metadata();
  if (options.token) pairs.set("authorization", `Bearer ${options.token}`);
  if (options.request_id) pairs.set("x-request-id", options.request_id);
  return pairs;
}

function deadline(seconds = PATIENCE_SECONDS) {
  return { deadline: Date.now() + 1000 * seconds };
}

function connect(Service) {
  return new Service(options.address, credentials(), { "grpc.enable_http_proxy": 0 });
}

const definition = protoLoader.loadSync("dragoman/v1/translation.proto", { ...LOADING, includeDirs: [options.proto] });
const { TranslationService } = grpc.loadPackageDefinition(definition).dragoman.v1;
const client = connect(TranslationService);

// The response of a method with one answer, and the trailing metadata; or the error's code and message.
function call(method, request, seconds) {
  return new Promise((resolve) => {
    let answer;
    client[method](request, metadata(), deadline(seconds), (error, response) => {
      answer = error ? describe(error) : { response };
    }).on("status", (status) => resolve({ ...answer, metadata: status.metadata.getMap() }));
  });
}

function describe(error) {
  return { code: error.code, details: error.details, pushback: error.metadata?.get("grpc-retry-pushback-ms")[0] };
}

// All messages of a method that answers with several, and its error if it ends in one.
function collect(stream, onMessage = () => {}) {
  return new Promise((resolve) => {
    const messages = [];
    stream.on("data", (message) => {
      messages.push(message);
      onMessage(message);
    });
    stream.on("error", (error) => resolve({ messages, ...describe(error) }));
    stream.on("end", () => resolve({ messages }));
  });
}

// Resolves once the stream takes more.
function writeWhenPossible(stream, message) {
  return stream.write(message) ? false : new Promise((resolve) => stream.once("drain", () => resolve(true)));
}

const scenarios = {
  call: () => call(options.method, options.request, options.seconds),

  live: () => collect(client.TranslateLive(options.request, metadata(), deadline())),

  // Sends as fast as the stream takes it, and does not read before it had to wait for the first time.
  stream: async () => {
    const stream = client.TranslateStream(metadata(), deadline());
    const received = collect(stream);
    stream.pause();
    await writeWhenPossible(stream, { config: options.config });
    let numWaits = 0;
    for (const [index, text] of options.texts.entries()) {
      const waiting = writeWhenPossible(stream, { items: { items: [{ id: String(index), text }] } });
      if (waiting) {
        stream.resume();
        numWaits += 1;
        await waiting;
      }
    }
    stream.end();
    stream.resume();
    return { ...(await received), num_waits: numWaits };
  },

  // Never says that it has sent all.
  stream_past_deadline: async () => {
    const stream = client.TranslateStream(metadata(), deadline(options.seconds));
    const received = collect(stream);
    stream.write({ config: options.config });
    return received;
  },

  // Gives up after the first result.
  cancelled_stream: async () => {
    const stream = client.TranslateStream(metadata(), deadline());
    const received = collect(stream, (message) => message.results.length > 0 && stream.cancel());
    stream.write({ config: options.config });
    stream.write({ items: { items: [{ id: "7", text: options.text }] } });
    return received;
  },

  health: () =>
    new Promise((resolve) => {
      const stub = connect(grpc.makeGenericClientConstructor(health.service, "Health"));
      stub.Check({ service: options.service }, deadline(), (error, response) => {
        stub.close();
        resolve(error ? describe(error) : { response });
      });
    }),
};

console.log(JSON.stringify(await scenarios[scenario]()));
client.close();
