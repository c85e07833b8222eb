// The npm package salesforce-pubsub-api-client against the sandbox.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import PubSubApiClient from 'salesforce-pubsub-api-client';
import { direct, far, until } from './far.mjs';
import { changeTopic, connect as connectREST, eventTopic, newOrder, privateKey, settings, unique } from './salesforce.mjs';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const open = [];

// The package trusts the certificates it carries and no others, so it is told not to check; a test of its own below
// shows that it does check when it is not told.
async function connect(changes = {}) {
  const client = new PubSubApiClient({
    authType: 'oauth-jwt-bearer',
    loginUrl: settings.loginURL,
    clientId: settings.clientID,
    username: settings.username,
    privateKey,
    pubSubEndpoint: settings.pubSubEndpoint,
    rejectUnauthorizedSsl: false,
    ...changes,
  }, quiet);
  await client.connect();
  open.push(client);
  return client;
}

after(() => open.forEach((client) => client.close()));

// listen collects what a subscription calls back with.
function listen(client, start, topic, ...rest) {
  const got = { events: [], errors: [], keepAlives: 0, ended: false, status: [], lastReplayId: null };
  client[start](topic, (subscription, type, data) => {
    got.lastReplayId = subscription.lastReplayId;
    if (type === 'event') got.events.push(data);
    if (type === 'error') got.errors.push(data);
    if (type === 'grpcKeepAlive') got.keepAlives++;
    if (type === 'grpcStatus') got.status.push(data);
    if (type === 'end') got.ended = true;
  }, ...rest);
  return got;
}

const publish = (count, fields = {}) => direct('publish', { topic: eventTopic, count, fields: { OrderId__c: '8014x000000ABCDAA4', ...fields } });

// A subscription from LATEST begins when the far side has it; until then events pass it by.
async function listenLatest(client, topic = eventTopic) {
  const { subscriptions } = await direct('subscriptions');
  const got = listen(client, 'subscribe', topic);
  await until('the subscription reaches the far side', async () => (await direct('subscriptions')).subscriptions > subscriptions);
  return got;
}

test('LATEST sees what is published from now on', async () => {
  await publish(2, { IdemKey__c: 'before' });
  const got = await listenLatest(await connect());
  const key = unique('latest');
  const { ids } = await publish(3, { IdemKey__c: key, Version__c: 2 });
  await until('three events', () => got.events.length === 3);
  assert.deepEqual(got.events.map((event) => event.id), ids);
  const [event] = got.events;
  assert.deepEqual([event.payload.OrderId__c, event.payload.IdemKey__c, event.payload.Version__c, event.payload.RequestedBy__c],
    ['8014x000000ABCDAA4', key, 2, null]);
  assert.equal(String(event.payload.CreatedDate).length, 13);
  assert.match(event.payload.CreatedById, /^005[A-Za-z0-9]{15}$/);
  assert.match(event.schemaId, /^[A-Za-z0-9_-]{22}$/);
  assert.deepEqual(got.errors, []);
});

test('EARLIEST sees everything that is retained, beyond 300 events', async () => {
  const key = unique('earliest');
  await publish(350, { IdemKey__c: key });
  const got = listen(await connect(), 'subscribeFromEarliestEvent', eventTopic);
  await until('350 events', () => got.events.filter((event) => event.payload.IdemKey__c === key).length === 350);
  const replayIDs = got.events.map((event) => event.replayId);
  assert.deepEqual(replayIDs, [...replayIDs].sort((a, b) => a - b), 'events come in the order of their replay ids');
  assert.equal(new Set(replayIDs).size, replayIDs.length);
  assert.ok(replayIDs.some((id, i) => i > 0 && id - replayIDs[i - 1] > 1), 'replay ids have gaps');
  assert.ok(replayIDs.every(Number.isSafeInteger));
});

test('A live subscription outlasts 300 events', async () => {
  const got = await listenLatest(await connect());
  for (let i = 0; i < 4; i++) {
    await publish(90);
    await until(`${90 * (i + 1)} events`, () => got.events.length === 90 * (i + 1));
  }
  assert.deepEqual(got.errors, []);
});

test('CUSTOM goes on after a replay id', async () => {
  const key = unique('custom');
  await publish(5, { IdemKey__c: key });
  const client = await connect();
  const all = listen(client, 'subscribeFromEarliestEvent', eventTopic);
  const mine = () => all.events.filter((event) => event.payload.IdemKey__c === key);
  await until('five events', () => mine().length === 5);
  const rest = listen(await connect(), 'subscribeFromReplayId', eventTopic, null, mine()[1].replayId);
  await until('three events', () => rest.events.length === 3);
  assert.deepEqual(rest.events.map((event) => event.id), mine().slice(2).map((event) => event.id));
});

test('Asking for a number of events gives no more', async () => {
  await publish(12);
  const client = await connect();
  const got = listen(client, 'subscribeFromEarliestEvent', eventTopic, 5);
  await until('five events', () => got.events.length === 5);
  client.requestAdditionalEvents(eventTopic, 3);
  await until('eight events', () => got.events.length === 8);
  await publish(1);
  assert.equal(got.events.length, 8);
});

test('A stream that asks for no more is closed, without an error', async () => {
  await publish(2);
  const got = listen(await connect(), 'subscribeFromEarliestEvent', eventTopic, 2);
  await until('the end', () => got.ended);
  assert.equal(got.events.length, 2);
  assert.deepEqual(got.errors, []);
  assert.equal(got.status[0].code, 0);
});

test('An event that is sent twice has one id and two places', async () => {
  const got = await listenLatest(await connect());
  await publish(1);
  await direct('duplicate', { topic: eventTopic });
  await until('two events', () => got.events.length === 2);
  const [first, second] = got.events;
  assert.equal(first.id, second.id);
  assert.notEqual(first.replayId, second.replayId);
});

test('Silence is filled with keep-alives', async () => {
  const got = await listenLatest(await connect());
  await until('two keep-alives', () => got.keepAlives >= 2);
  assert.ok(Number.isSafeInteger(got.lastReplayId) && got.lastReplayId > 0);
  assert.deepEqual(got.events, []);
});

test('A replay id that is not known ends the stream with its code', async () => {
  const got = listen(await connect(), 'subscribeFromReplayId', eventTopic, null, 1);
  await until('the end', () => got.ended && got.errors.length > 0);
  const [error] = got.errors;
  assert.equal(error.code, 3);
  assert.deepEqual(error.metadata.get('error-code'), ['sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted']);
  assert.equal(error.metadata.get('rpc-id').length, 1);
});

test('A topic that does not exist ends the stream with its code', async () => {
  const got = listen(await connect(), 'subscribe', '/event/Nope__e');
  await until('an error', () => got.errors.length > 0);
  assert.ok([5, 7].includes(got.errors[0].code));
  assert.deepEqual(got.errors[0].metadata.get('error-code'), ['sfdc.platform.eventbus.grpc.topic.not.found']);
});

test('Publish delivers, and keeps the id that was given', async () => {
  const client = await connect();
  const got = await listenLatest(client);
  const id = crypto.randomUUID();
  const payload = { CreatedDate: Date.now(), CreatedById: '0054x000000ABCDAA4', OrderId__c: { string: '8014x000000ABCDAA4' }, IdemKey__c: { string: 'published' },
    CorrelationId__c: null, RequestedBy__c: null, Version__c: { double: 3 } };
  let result;
  try {
    result = await client.publish(eventTopic, payload, id);
  } catch {
    // A required text may be a plain string instead of a union.
    result = await client.publish(eventTopic, { ...payload, OrderId__c: '8014x000000ABCDAA4' }, id);
  }
  assert.equal(result.correlationKey, id);
  await until('the event', () => got.events.length === 1);
  const [event] = got.events;
  assert.deepEqual([event.id, event.replayId, event.payload.IdemKey__c, event.payload.Version__c], [id, result.replayId, 'published', 3]);
});

test('A stream of publishing delivers', async () => {
  const client = await connect();
  const got = await listenLatest(client);
  const answers = [];
  const payload = { CreatedDate: Date.now(), CreatedById: '0054x000000ABCDAA4', IdemKey__c: { string: 'streamed' }, CorrelationId__c: null, RequestedBy__c: null, Version__c: null };
  const batch = (orderID) => [1, 2, 3].map((n) => ({ id: `batch-${n}`, payload: { ...payload, OrderId__c: orderID } }));
  const callback = (_, type, data) => { if (type === 'publishResponse') answers.push(...data.results); };
  try {
    await client.publishBatch(eventTopic, batch({ string: '8014x000000ABCDAA4' }), callback);
  } catch {
    await client.publishBatch(eventTopic, batch('8014x000000ABCDAA4'), callback);
  }
  await until('three results and events', () => answers.length === 3 && got.events.length === 3);
  assert.deepEqual(answers.map((answer) => answer.correlationKey), ['batch-1', 'batch-2', 'batch-3']);
  assert.deepEqual(got.events.map((event) => event.replayId), answers.map((answer) => answer.replayId));
});

test('A revoked session ends its streams, and begins none', async () => {
  const client = await connect();
  const got = await listenLatest(client);
  await direct('revokeTokens');
  const late = listen(client, 'subscribeFromEarliestEvent', changeTopic);
  await publish(1);
  await until('both errors and ends', () => got.errors.length > 0 && late.errors.length > 0 && got.ended && late.ended);
  for (const [error] of [got.errors, late.errors]) {
    assert.equal(error.code, 16);
    assert.deepEqual(error.metadata.get('error-code'), ['sfdc.platform.eventbus.grpc.service.auth.error']);
  }
  assert.deepEqual(got.events, []);
  const renewed = await listenLatest(await connect());
  await publish(1);
  await until('an event in a new session', () => renewed.events.length === 1);
});

test('An approved order is announced, and its change too', async () => {
  const client = await connect();
  const events = await listenLatest(client);
  const changes = await listenLatest(client, changeTopic);
  const conn = await connectREST();
  const made = await newOrder(conn, 1);
  await conn.sobject('Order').update({ Id: made.orderID, Status: 'Approved' });
  await until('the event', () => events.events.some((event) => event.payload.OrderId__c === made.orderID));
  const approved = () => changes.events.find(({ payload: { ChangeEventHeader: header } }) =>
    header.changeType === 'UPDATE' && header.recordIds.includes(made.orderID) && header.changedFields.includes('Status'));
  await until('the change', approved);
  const { payload } = approved();
  assert.equal(payload.ChangeEventHeader.entityName, 'Order');
  assert.ok(payload.ChangeEventHeader.changedFields.includes('Activation_Status__c'));
  assert.deepEqual([payload.Status, payload.Activation_Status__c, payload.PoNumber ?? null], ['Approved', 'Activating', null]);
  assert.deepEqual(changes.errors, []);
});

test('Several versions of the schema can be read in one stream', async () => {
  const client = await connect();
  const got = await listenLatest(client);
  await publish(1);
  await direct('evolveSchema', { topic: eventTopic });
  await publish(1);
  await until('two events', () => got.events.length === 2);
  assert.notEqual(got.events[0].schemaId, got.events[1].schemaId);
  assert.deepEqual(got.errors, []);
});

test('An event that cannot be decoded does not stop the stream', async () => {
  const client = await connect();
  const got = await listenLatest(client);
  await direct('publishGarbage', { topic: eventTopic });
  await publish(1);
  await until('an event after the garbage', () => got.events.length === 1);
  assert.equal(got.errors.length, 1);
  assert.equal(got.ended, false);
});

test('A certificate that is not trusted is refused', async () => {
  const client = await connect({ rejectUnauthorizedSsl: true });
  const got = listen(client, 'subscribe', eventTopic);
  await until('an error', () => got.errors.length > 0);
  assert.equal(got.errors[0].code, 14);
  assert.match(got.errors[0].details, /certificate/);
});

test('A session from REST is good for the bus, with the org id of either length', async () => {
  const conn = await connectREST();
  for (const organizationId of [settings.orgID, settings.orgID.slice(0, 15)]) {
    const client = await connect({ authType: 'user-supplied', accessToken: conn.accessToken, instanceUrl: far.salesforce.instanceURL, organizationId });
    const got = await listenLatest(client);
    await publish(1);
    await until('an event', () => got.events.length === 1);
  }
});

test('A place older than 72 hours is lost, and EARLIEST begins with what is left', async () => {
  const old = await listenLatest(await connect());
  await publish(1);
  await until('an event', () => old.events.length === 1);
  await direct('advanceClock', { hours: 73 });
  const { ids } = await publish(2);
  const lost = listen(await connect(), 'subscribeFromReplayId', eventTopic, null, old.events[0].replayId);
  await until('an error', () => lost.errors.length > 0);
  assert.deepEqual(lost.errors[0].metadata.get('error-code'), ['sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted']);
  const left = listen(await connect(), 'subscribeFromEarliestEvent', eventTopic);
  await until('two events', () => left.events.length === 2);
  assert.deepEqual(left.events.map((event) => event.id), ids);
});
