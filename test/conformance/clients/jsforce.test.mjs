// The npm package jsforce against the sandbox.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import jsforce from 'jsforce';
import { direct } from './far.mjs';
import { assertion, connect, newOrder, priceBookEntry, settings, unique, version } from './salesforce.mjs';

const conn = await connect();
const missingOrder = '801000000000000AAA';

test('A signed JWT gives a session', async () => {
  assert.match(conn.accessToken, /^00D[A-Za-z0-9]{12}!\S+$/);
  assert.equal(conn.instanceUrl, settings.instanceURL);
  assert.equal(conn.userInfo.organizationId, settings.orgID);
  assert.match(conn.userInfo.id, /^005[A-Za-z0-9]{15}$/);
  const asText = await connect({}, assertion({ exp: String(Math.floor(Date.now() / 1000) + 180) }));
  assert.equal(asText.userInfo.organizationId, settings.orgID);
});

test('The older SOAP login gives a session, and logout ends it', async () => {
  const old = new jsforce.Connection({ loginUrl: settings.loginURL, version: '58.0' });
  const user = await old.login(settings.username, settings.password);
  assert.equal(user.organizationId, settings.orgID);
  const { accessToken, instanceUrl } = old;
  assert.equal((await old.query('SELECT Id FROM Organization')).totalSize, 1);
  await old.logout();
  const after = new jsforce.Connection({ accessToken, instanceUrl, version });
  await assert.rejects(after.query('SELECT Id FROM Organization'), { errorCode: 'INVALID_SESSION_ID' });
});

test('A bad assertion is refused with the reason', async () => {
  const refused = (signed, name, message) => assert.rejects(connect({}, signed), (error) => {
    assert.equal(error.name, name);
    assert.match(error.message, message);
    return true;
  });
  const { privateKey: foreign } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await refused(assertion({}, foreign), 'invalid_grant', /invalid assertion/);
  await refused(assertion({ exp: Math.floor(Date.now() / 1000) - 600 }), 'invalid_grant', /assertion|expired/);
  await refused(assertion({ aud: 'https://elsewhere.example' }), 'invalid_grant', /audience is invalid/);
  await refused(assertion({ iss: 'nobody' }), 'invalid_client_id', /client identifier invalid/);
  await refused(assertion({ sub: 'nobody@example.com' }), 'invalid_grant', /user hasn't approved this consumer/);
});

test('Identity and userinfo name the org and the user', async () => {
  const identity = await conn.identity();
  assert.equal(identity.organization_id, settings.orgID);
  assert.equal(identity.username, settings.username);
  const info = await conn.request(`${settings.loginURL}/services/oauth2/userinfo`);
  assert.equal(info.organization_id, settings.orgID);
  assert.equal(info.user_id, identity.user_id);
  assert.equal(info.preferred_username, settings.username);
});

test('Versions are listed without a session, resources with one', async () => {
  const open = new jsforce.Connection({ instanceUrl: settings.instanceURL, version });
  const versions = await open.request(`${settings.instanceURL}/services/data/`);
  assert.ok(versions.some((v) => v.version === version && v.url === `/services/data/v${version}`));
  const resources = await conn.request('/');
  assert.match(resources.sobjects, /\/sobjects$/);
  await assert.rejects(open.query('SELECT Id FROM Order'), { errorCode: 'INVALID_SESSION_ID' });
});

test('A query joins parents and children', async () => {
  const made = await newOrder(conn, 3);
  const { records, totalSize, done } = await conn.query(`
    SELECT Id, OrderNumber, Status, StatusCode, AccountId, Account.Name, Account.WH_Account__c, EffectiveDate, LastModifiedDate, TotalAmount,
      (SELECT Id, OrderItemNumber, Quantity, UnitPrice, PricebookEntryId, PricebookEntry.Product2Id,
              PricebookEntry.Product2.ProductCode, PricebookEntry.Product2.WHMCS_Product_Id__c, Product2Id, Product2.Name
         FROM OrderItems ORDER BY Quantity DESC)
    FROM Order WHERE Id = '${made.orderID}'`);
  assert.deepEqual([totalSize, done, records.length], [1, true, 1]);
  const [order] = records;
  assert.equal(order.attributes.type, 'Order');
  assert.equal(order.attributes.url, `/services/data/v${version}/sobjects/Order/${made.orderID}`);
  assert.equal(order.Account.attributes.type, 'Account');
  assert.equal(order.Account.WH_Account__c, '#4711 - Conformance');
  assert.equal(order.EffectiveDate, '2026-11-01');
  assert.match(order.LastModifiedDate, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
  assert.equal(order.TotalAmount, 6 * 4800);
  assert.deepEqual([order.Status, order.StatusCode], ['Draft', 'Draft']);
  const items = order.OrderItems;
  assert.deepEqual([items.totalSize, items.done], [3, true]);
  assert.deepEqual(items.records.map((item) => item.Quantity), [3, 2, 1]);
  assert.equal(items.records[0].PricebookEntry.Product2.ProductCode, made.name);
  assert.equal(items.records[0].PricebookEntry.Product2.WHMCS_Product_Id__c, 181);
  assert.equal(items.records[0].Product2.Name, made.name);
});

test('No children are null', async () => {
  const made = await newOrder(conn, 0);
  const { records: [order] } = await conn.query(`SELECT Id, (SELECT Id FROM OrderItems) FROM Order WHERE Id = '${made.orderID}'`);
  assert.equal(order.OrderItems, null);
});

test('Results come in pages', async () => {
  const prefix = unique('Paged');
  const rows = Array.from({ length: 450 }, (_, i) => ({ Name: `${prefix} ${String(i).padStart(3, '0')}` }));
  const saved = await conn.sobject('Account').create(rows, { allowRecursive: true });
  assert.equal(saved.filter((row) => row.success).length, 450);
  const soql = `SELECT Id, Name FROM Account WHERE Name LIKE '${prefix}%' ORDER BY Name`;
  const options = { headers: { 'Sforce-Query-Options': 'batchSize=200' } };
  const first = await conn.query(soql, options);
  assert.deepEqual([first.totalSize, first.done, first.records.length], [450, false, 200]);
  assert.match(first.nextRecordsUrl, new RegExp(`/services/data/v${version}/query/\\S+-200$`));
  const second = await conn.queryMore(first.nextRecordsUrl);
  assert.deepEqual([second.totalSize, second.records[0].Name], [450, `${prefix} 200`]);
  const all = await conn.query(soql, { ...options, autoFetch: true, maxFetch: 1000 });
  assert.deepEqual(all.records.map((row) => row.Name), rows.map((row) => row.Name));
  await assert.rejects(conn.queryMore(`/services/data/v${version}/query/01g000000000000AAA-2000`), { errorCode: 'INVALID_QUERY_LOCATOR' });
});

test('Children come in pages too', async () => {
  const made = await newOrder(conn, 250);
  const soql = `SELECT Id, (SELECT Id, Quantity FROM OrderItems ORDER BY Quantity) FROM Order WHERE Id = '${made.orderID}'`;
  const options = { headers: { 'Sforce-Query-Options': 'batchSize=200' } };
  const { records: [paged] } = await conn.query(soql, options);
  assert.equal(paged.OrderItems.totalSize, 250);
  assert.equal(paged.OrderItems.done, false);
  assert.ok(paged.OrderItems.records.length < 250);
  const { records: [whole] } = await conn.query(soql, { ...options, autoFetch: true, maxFetch: 1000 });
  assert.deepEqual(whole.OrderItems.records.map((item) => item.Quantity), Array.from({ length: 250 }, (_, i) => i + 1));
});

test('SOQL filters, counts and groups', async () => {
  const made = await newOrder(conn, 2, { PoNumber: "O'Brien \\ Söhne" });
  const one = async (where) => (await conn.query(`SELECT Id FROM Order WHERE Id = '${made.orderID}' AND ${where}`)).totalSize;
  assert.equal(await one("PoNumber = 'O\\'Brien \\\\ Söhne'"), 1);
  assert.equal(await one("PoNumber = 'o\\'brien \\\\ söhne'"), 1, 'text compares without regard to case');
  assert.equal(await one("PoNumber LIKE 'O%' AND Account.Name LIKE 'Account%'"), 1);
  assert.equal(await one("Status IN ('Draft', 'Approved') AND Status NOT IN ('Activated')"), 1);
  assert.equal(await one('WHMCS_Order_ID__c = null AND EffectiveDate <= 2026-11-01'), 1);
  assert.equal(await one('(TotalAmount > 1 OR TotalAmount = null) AND NOT (Status = \'Approved\')'), 1);
  assert.equal(await one(`LastModifiedDate >= ${new Date(Date.now() + 48 * 3600e3).toISOString()}`), 0);
  assert.equal(await one(`CreatedDate = LAST_N_DAYS:2`), 1);
  assert.equal(await one(`Id IN (SELECT OrderId FROM OrderItem WHERE Quantity = 2)`), 1);
  const short = await conn.query(`SELECT Id FROM Order WHERE Id = '${made.orderID.slice(0, 15)}'`);
  assert.equal(short.records[0].Id, made.orderID, 'ids of 15 characters are understood, those of 18 are returned');
  const count = await conn.query(`SELECT COUNT() FROM OrderItem WHERE OrderId = '${made.orderID}'`);
  assert.deepEqual([count.totalSize, count.records], [2, []]);
  const sums = await conn.query(`SELECT OrderId, COUNT(Id) n, SUM(Quantity) total FROM OrderItem WHERE OrderId = '${made.orderID}' GROUP BY OrderId`);
  assert.deepEqual([sums.records[0].n, sums.records[0].total, sums.records[0].attributes.type], [2, 3, 'AggregateResult']);
});

test('Bad queries are refused with their codes', async () => {
  const refused = (soql, errorCode) => assert.rejects(conn.query(soql), (error) => {
    assert.equal(error.errorCode, errorCode, error.message);
    return true;
  });
  await refused('SELECT Id, Nope__c FROM Order', 'INVALID_FIELD');
  await refused('SELECT Id FROM Nope', 'INVALID_TYPE');
  await refused('SELECT Id FROM', 'MALFORMED_QUERY');
  await refused("SELECT Id FROM Order WHERE Id = 'short'", 'INVALID_QUERY_FILTER_OPERATOR');
  await refused('SELECT Id FROM Order OFFSET 2001', 'NUMBER_OUTSIDE_VALID_RANGE');
});

test('Rows are created, read, updated and deleted', async () => {
  const made = await newOrder(conn, 1);
  const order = conn.sobject('Order');
  const read = await order.retrieve(made.orderID);
  assert.deepEqual([read.attributes.type, read.Status, read.AccountId], ['Order', 'Draft', made.accountID]);
  const updated = await order.update({ Id: made.orderID, WHMCS_Order_ID__c: '4711', Activation_Error_Code__c: null });
  assert.deepEqual(updated, { id: made.orderID, success: true, errors: [] });
  const some = await order.retrieve(made.orderID, { fields: ['WHMCS_Order_ID__c', 'OrderNumber'] });
  assert.deepEqual(Object.keys(some).filter((name) => name !== 'Id').sort(), ['OrderNumber', 'WHMCS_Order_ID__c', 'attributes']);
  assert.equal(some.WHMCS_Order_ID__c, '4711');
  const gone = await conn.sobject('Account').create({ Name: unique('Gone') });
  assert.equal((await conn.sobject('Account').destroy(gone.id)).success, true);
  await assert.rejects(conn.sobject('Account').retrieve(gone.id), { errorCode: /NOT_FOUND|ENTITY_IS_DELETED/ });
  await assert.rejects(conn.sobject('Account').update({ Id: gone.id, Name: 'x' }), { errorCode: 'ENTITY_IS_DELETED' });
});

test('Writes are refused with code, message and fields', async () => {
  const made = await newOrder(conn, 1);
  const refused = (write, errorCode, fields) => assert.rejects(write, (error) => {
    assert.equal(error.errorCode, errorCode, error.message);
    if (fields) assert.deepEqual(error.data.fields, fields);
    return true;
  });
  const order = conn.sobject('Order');
  await refused(order.create({ Status: 'Draft', EffectiveDate: '2026-11-01' }), 'REQUIRED_FIELD_MISSING', ['AccountId']);
  await refused(order.update({ Id: made.orderID, Status: 'Nonsense' }), 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', ['Status']);
  await refused(order.update({ Id: made.orderID, Activation_Error_Code__c: 'x'.repeat(81) }), 'STRING_TOO_LONG', ['Activation_Error_Code__c']);
  await refused(order.update({ Id: made.orderID, Nope__c: 1 }), 'INVALID_FIELD');
  await refused(order.update({ Id: missingOrder, PoNumber: '1' }), 'NOT_FOUND');
  await refused(order.retrieve(missingOrder), 'NOT_FOUND');
  await refused(order.retrieve('801x'), 'NOT_FOUND');
  await refused(conn.sobject('OrderItem').create({ OrderId: made.orderID, PricebookEntryId: made.entryID, Quantity: 1 }), 'REQUIRED_FIELD_MISSING');
});

test('Upsert finds a row by its key', async () => {
  const name = unique('Upserted');
  const made = await conn.sobject('Account').create({ Name: name });
  const updated = await conn.sobject('Account').upsert({ Id: made.id, Name: `${name} II` }, 'Id');
  assert.deepEqual([updated.success, updated.id, updated.created], [true, made.id, false]);
  assert.equal((await conn.sobject('Account').retrieve(made.id)).Name, `${name} II`);
  await assert.rejects(conn.sobject('Account').upsert({ Nope__c: '1', Name: 'x' }, 'Nope__c'), { errorCode: 'NOT_FOUND' });
});

test('Collections keep the order of rows and fail row by row', async () => {
  const made = await newOrder(conn, 2);
  const results = await conn.update(undefined, [
    { attributes: { type: 'Order' }, Id: made.orderID, WHMCS_Order_ID__c: '1' },
    { attributes: { type: 'OrderItem' }, Id: made.items[0], WHMCS_Service_ID__c: 'x'.repeat(300) },
    { attributes: { type: 'OrderItem' }, Id: made.items[1], WHMCS_Service_ID__c: '12' },
  ]);
  assert.deepEqual(results.map((row) => row.success), [true, false, true]);
  assert.deepEqual([results[0].id, results[2].id], [made.orderID, made.items[1]]);
  assert.deepEqual([results[1].errors[0].statusCode, results[1].errors[0].fields], ['STRING_TOO_LONG', ['WHMCS_Service_ID__c']]);
  const both = await conn.update('Order', [
    { Id: made.orderID, WHMCS_Order_ID__c: '2' },
    { Id: missingOrder, WHMCS_Order_ID__c: '3' },
  ], { allOrNone: true });
  assert.deepEqual(both.map((row) => row.success), [false, false]);
  assert.equal(both[0].errors[0].statusCode, 'ALL_OR_NONE_OPERATION_ROLLED_BACK');
  assert.equal((await conn.sobject('Order').retrieve(made.orderID)).WHMCS_Order_ID__c, '1');
});

test('Collections hold 200 rows and ten runs of one type', async () => {
  const tooMany = Array.from({ length: 201 }, (_, i) => ({ Name: `Too many ${i}` }));
  await assert.rejects(conn.sobject('Account').create(tooMany), (error) => error.errorCode !== undefined);
  const made = await newOrder(conn, 6);
  const alternating = made.items.flatMap((id) => [
    { attributes: { type: 'OrderItem' }, Id: id, WHMCS_Service_ID__c: '1' },
    { attributes: { type: 'Account' }, Id: made.accountID, Description: '1' },
  ]);
  await assert.rejects(conn.update(undefined, alternating), (error) => error.errorCode !== undefined);
});

test('Collections read and delete', async () => {
  const saved = await conn.sobject('Account').create([{ Name: unique('A') }, { Name: unique('B') }]);
  const ids = saved.map((row) => row.id);
  const read = await conn.sobject('Account').retrieve([...ids, '001000000000000AAA'], { fields: ['Id', 'Name'] });
  assert.deepEqual(read.map((row) => row?.Id ?? null), [...ids, null]);
  const deleted = await conn.sobject('Account').destroy(ids);
  assert.deepEqual(deleted.map((row) => [row.id, row.success]), ids.map((id) => [id, true]));
});

test('Composite requests refer to each other', async () => {
  const entry = await priceBookEntry(conn);
  const data = `/services/data/v${version}`;
  const { compositeResponse } = await conn.requestPost('/composite', {
    allOrNone: true,
    compositeRequest: [
      { method: 'POST', url: `${data}/sobjects/Account`, referenceId: 'refAccount', body: { Name: unique('Composite') } },
      { method: 'POST', url: `${data}/sobjects/Order`, referenceId: 'refOrder',
        body: { AccountId: '@{refAccount.id}', EffectiveDate: '2026-11-01', Status: 'Draft', Pricebook2Id: entry.bookID } },
      { method: 'POST', url: `${data}/sobjects/OrderItem`, referenceId: 'refItem',
        body: { OrderId: '@{refOrder.id}', PricebookEntryId: entry.entryID, Quantity: 1, UnitPrice: 1 } },
      { method: 'GET', url: `${data}/query?q=SELECT+Id,(SELECT+Id+FROM+OrderItems)+FROM+Order+WHERE+Id='@{refOrder.id}'`, referenceId: 'refQuery' },
    ],
  });
  assert.deepEqual(compositeResponse.map((part) => [part.referenceId, part.httpStatusCode]),
    [['refAccount', 201], ['refOrder', 201], ['refItem', 201], ['refQuery', 200]]);
  assert.equal(compositeResponse[3].body.records[0].OrderItems.records[0].Id, compositeResponse[2].body.id);
});

test('A failed composite request undoes its siblings', async () => {
  const name = unique('Undone');
  const { compositeResponse } = await conn.requestPost('/composite', {
    allOrNone: true,
    compositeRequest: [
      { method: 'POST', url: `/services/data/v${version}/sobjects/Account`, referenceId: 'a', body: { Name: name } },
      { method: 'POST', url: `/services/data/v${version}/sobjects/Account`, referenceId: 'b', body: {} },
    ],
  });
  assert.deepEqual(compositeResponse.map((part) => [part.httpStatusCode, part.body[0].errorCode]),
    [[400, 'PROCESSING_HALTED'], [400, 'REQUIRED_FIELD_MISSING']]);
  assert.equal((await conn.query(`SELECT Id FROM Account WHERE Name = '${name}'`)).totalSize, 0);
});

test('A tree makes an order with its lines', async () => {
  const entry = await priceBookEntry(conn);
  const account = await conn.sobject('Account').create({ Name: unique('Tree') });
  const line = (referenceId) => ({ attributes: { type: 'OrderItem', referenceId }, PricebookEntryId: entry.entryID, Quantity: 1, UnitPrice: 1 });
  const order = (referenceId, records) => ({
    attributes: { type: 'Order', referenceId }, AccountId: account.id, EffectiveDate: '2026-11-01', Status: 'Draft', Pricebook2Id: entry.bookID,
    OrderItems: { records },
  });
  const made = await conn.requestPost('/composite/tree/Order', { records: [order('o1', [line('l1'), line('l2')])] });
  assert.equal(made.hasErrors, false);
  assert.deepEqual(made.results.map((row) => row.referenceId), ['o1', 'l1', 'l2']);
  const { totalSize } = await conn.query(`SELECT Id FROM OrderItem WHERE OrderId = '${made.results[0].id}'`);
  assert.equal(totalSize, 2);
  const broken = order('o2', [{ ...line('l3'), Quantity: undefined }]);
  await assert.rejects(conn.requestPost('/composite/tree/Order', { records: [broken] }), (error) => {
    const body = error.data?.hasErrors === undefined ? JSON.parse(error.message) : error.data;
    assert.equal(body.hasErrors, true);
    assert.equal(body.results[0].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
    return true;
  });
  assert.equal((await conn.query(`SELECT Id FROM Order WHERE AccountId = '${account.id}'`)).totalSize, 1);
});

test('The limits are in every answer and on their own page', async () => {
  await conn.query('SELECT Id FROM Pricebook2');
  const { used, limit } = conn.limitInfo.apiUsage;
  assert.ok(used > 0 && limit >= used);
  await conn.query('SELECT Id FROM Pricebook2');
  assert.equal(conn.limitInfo.apiUsage.used, used + 1);
  const limits = await conn.limits();
  assert.equal(limits.DailyApiRequests.Max, limit);
  assert.ok(limits.DailyApiRequests.Remaining < limit);
  assert.ok('DailyDeliveredPlatformEvents' in limits && 'HourlyPublishedPlatformEvents' in limits);
});

test('Objects describe themselves', async () => {
  const described = await conn.describe('Order');
  const field = (name) => described.fields.find((f) => f.name === name);
  assert.equal(described.keyPrefix, '801');
  assert.equal(field('Activation_Status__c').type, 'picklist');
  assert.deepEqual([field('AccountId').type, field('AccountId').relationshipName, field('AccountId').referenceTo], ['reference', 'Account', ['Account']]);
  assert.ok(described.childRelationships.some((relation) => relation.relationshipName === 'OrderItems' && relation.childSObject === 'OrderItem'));
  const { sobjects } = await conn.describeGlobal();
  assert.ok(sobjects.some((o) => o.name === 'OrderProvisionRequested__e'));
});

test('A platform event is published by creating it', async () => {
  const { events: before } = await direct('events', { topic: '/event/OrderProvisionRequested__e' });
  const answer = await conn.sobject('OrderProvisionRequested__e').create({ OrderId__c: missingOrder, IdemKey__c: unique('key') });
  assert.equal(answer.success, true);
  assert.equal(answer.errors[0].statusCode, 'OPERATION_ENQUEUED');
  assert.match(answer.errors[0].message, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  const { events: after } = await direct('events', { topic: '/event/OrderProvisionRequested__e' });
  assert.equal(after, before + 1);
  await assert.rejects(conn.sobject('OrderProvisionRequested__e').create({ IdemKey__c: 'x' }), { errorCode: 'REQUIRED_FIELD_MISSING' });
});

test('Approval runs the Flow', async () => {
  const made = await newOrder(conn, 1, { Activation_Error_Code__c: 'OLD' });
  const { events: before } = await direct('events', { topic: '/event/OrderProvisionRequested__e' });
  await conn.sobject('Order').update({ Id: made.orderID, Status: 'Approved' });
  const order = await conn.sobject('Order').retrieve(made.orderID);
  assert.deepEqual([order.Status, order.Activation_Status__c, order.Activation_Error_Code__c], ['Approved', 'Activating', null]);
  const { events: after } = await direct('events', { topic: '/event/OrderProvisionRequested__e' });
  assert.equal(after, before + 1);
});

test('A revoked session is refused, and a refresh mends it', async () => {
  const stale = await connect();
  await direct('revokeTokens');
  await assert.rejects(stale.query('SELECT Id FROM Order LIMIT 1'), { errorCode: 'INVALID_SESSION_ID' });
  let refreshed = 0;
  const healing = new jsforce.Connection({
    instanceUrl: settings.instanceURL, accessToken: stale.accessToken, version,
    refreshFn: async (_, callback) => {
      refreshed++;
      callback(null, (await connect()).accessToken);
    },
  });
  await healing.query('SELECT Id FROM Order LIMIT 1');
  assert.equal(refreshed, 1);
});

test('Faults arrive as Salesforce words them', async () => {
  const fresh = await connect();
  const made = await newOrder(fresh, 1);
  const fault = async (kind, errorCode, act) => {
    await direct('salesforceFault', { times: 1, ...kind });
    await assert.rejects(act(), (error) => {
      assert.equal(error.errorCode, errorCode, error.message);
      return true;
    });
  };
  await fault({ name: 'lockRow', recordID: made.orderID }, 'UNABLE_TO_LOCK_ROW', () => fresh.sobject('Order').update({ Id: made.orderID, PoNumber: '1' }));
  await fault({ name: 'requestLimit' }, 'REQUEST_LIMIT_EXCEEDED', () => fresh.query('SELECT Id FROM Order LIMIT 1'));
  // A POST, because the package repeats a GET by itself.
  await fault({ name: 'unavailable', status: 503 }, 'ERROR_HTTP_503', () => fresh.sobject('Account').create({ Name: unique('Unavailable') }));
  await fresh.query('SELECT Id FROM Order LIMIT 1');
});
