// The npm package whmcs against the sandbox.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import WHMCS from 'whmcs';
import { direct, far } from './far.mjs';

function connect(changes = {}) {
  const client = new WHMCS({
    username: far.whmcs.identifier,
    password: far.whmcs.secret,
    serverUrl: far.whmcs.url,
    userAgent: 'conformance',
    ...changes,
  });
  // The package takes callbacks; call(module, name)(...) gives a promise.
  return (module, name) => promisify(client[module][name].bind(client[module]));
}

const call = connect();

async function newClient() {
  const { clientID } = await direct('newWhmcsClient');
  return clientID;
}

async function newOrder(clientID, fields = {}) {
  return call('billing', 'addOrder')(clientID, {
    paymentmethod: 'mailin',
    'pid[0]': 181,
    'billingcycle[0]': 'monthly',
    noinvoice: 1,
    noemail: 1,
    ...fields,
  });
}

// PHP's serialize() of an array with integer keys and text values, in base64.
function serialized(values) {
  const entries = Object.entries(values).map(([key, value]) => `i:${key};s:${Buffer.byteLength(value)}:"${value}";`);
  return Buffer.from(`a:${entries.length}:{${entries.join('')}}`).toString('base64');
}

function refused(text) {
  return { message: new RegExp(`^WHMCS Error \\(200\\): ${text}`) };
}

test('AddOrder makes a pending order with one service for each line', async () => {
  const clientID = await newClient();
  const made = await newOrder(clientID, {
    'pid[1]': 242, 'billingcycle[1]': 'onetime', 'qty[0]': 3, 'qty[1]': 1, 'domain[0]': 'line0.example.net', notes: 'sfOrderId=8014x000000ABCDAA4',
  });
  assert.equal(made.result, 'success');
  assert.match(String(made.orderid), /^\d+$/);
  const services = made.serviceids.split(',');
  assert.equal(services.length, 2);
  assert.equal(made.productids, made.serviceids);

  const orders = await call('products', 'getOrders')('id', made.orderid);
  assert.equal(Number(orders.totalresults), 1);
  const [order] = orders.orders.order;
  assert.equal(String(order.id), String(made.orderid));
  assert.equal(String(order.userid), String(clientID));
  assert.equal(order.status, 'Pending');
  assert.equal(order.notes, 'sfOrderId=8014x000000ABCDAA4');
  assert.equal(order.paymentmethod, 'mailin');
  assert.match(String(order.ordernum), /^\d{10}$/);
  assert.deepEqual(order.lineitems.lineitem.map((line) => [line.type, String(line.relid), line.billingcycle, line.status]), [
    ['product', services[0], 'Monthly', 'Pending'],
    ['product', services[1], 'One-Time', 'Pending'],
  ]);
});

test('AddOrder carries custom fields and configurable options', async () => {
  const clientID = await newClient();
  const made = await newOrder(clientID, {
    'pid[0]': 220,
    'customfields[0]': serialized({ 310: "O'Brien Zürich €" }),
    'configoptions[0]': serialized({ 11: '102', 12: '4', 13: '1' }),
  });
  const { products } = await call('customers', 'getCustomerProducts')(clientID, { serviceid: made.serviceids });
  const [service] = products.product;
  assert.equal(service.customfields.customfield.find((field) => String(field.id) === '310').value, "O'Brien Zürich €");
  const options = Object.fromEntries(service.configoptions.configoption.map((option) => [String(option.id), String(option.value)]));
  assert.deepEqual(options, { 11: 'UK - London', 12: '4', 13: '1' });
});

test('AddOrder takes the last of repeated names, as PHP does', async () => {
  // This is how the package sends a JavaScript array.
  const clientID = await newClient();
  const made = await call('billing', 'addOrder')(clientID, { paymentmethod: 'mailin', pid: [181, 242], billingcycle: ['monthly', 'onetime'] });
  const { products } = await call('customers', 'getCustomerProducts')(clientID, {});
  assert.deepEqual(products.product.map((service) => String(service.pid)), ['242']);
  assert.equal(made.serviceids, String(products.product[0].id));
});

test('AddOrder makes an invoice unless told not to', async () => {
  const clientID = await newClient();
  const without = await newOrder(clientID);
  assert.equal(Number(without.invoiceid), 0);
  const made = await newOrder(clientID, { noinvoice: 0 });
  assert.notEqual(Number(made.invoiceid), 0);
  const invoice = await call('billing', 'getInvoice')(made.invoiceid);
  assert.equal(invoice.status, 'Unpaid');
  assert.equal(String(invoice.userid), String(clientID));
  assert.equal(String(invoice.items.item[0].relid), made.serviceids);
});

test('AddOrder refuses in the documented words', async () => {
  const clientID = await newClient();
  await assert.rejects(newOrder(999999), refused('Client ID Not Found'));
  await assert.rejects(newOrder(clientID, { paymentmethod: 'nothing' }), refused('Invalid Payment Method. Valid options include '));
  await assert.rejects(newOrder(clientID, { 'pid[0]': 999999 }), refused('No items added to cart so order cannot proceed'));
  await assert.rejects(newOrder(clientID, { 'pid[0]': 181, billingcycle: 'monthly' }), refused("Expecting parameter 'billingcycle' to be an array"));
  await direct('closeWhmcsClient', { clientID });
  await assert.rejects(newOrder(clientID), refused('Unable to add order when client status is Closed'));
});

test('AcceptOrder activates order and services, once', async () => {
  const clientID = await newClient();
  const made = await newOrder(clientID);
  const answer = await call('billing', 'acceptOrder')(made.orderid, { autosetup: 1 });
  assert.equal(answer.result, 'success');
  const { orders } = await call('products', 'getOrders')('id', made.orderid);
  assert.equal(orders.order[0].status, 'Active');
  assert.equal(orders.order[0].lineitems.lineitem[0].status, 'Active');
  await assert.rejects(call('billing', 'acceptOrder')(made.orderid), refused('Order ID not found or Status not Pending'));
  await assert.rejects(call('billing', 'acceptOrder')(999999), refused('Order ID not found or Status not Pending'));
});

test('GetOrders pages and filters', async () => {
  const clientID = await newClient();
  const ids = [];
  for (let i = 0; i < 30; i++) ids.push(String((await newOrder(clientID)).orderid));
  const first = await call('customers', 'getCustomerOrders')({ userid: clientID });
  assert.equal(Number(first.totalresults), 30);
  assert.equal(Number(first.numreturned), 25);
  const second = await call('products', 'getOrders')('userid', clientID, 25, 25);
  assert.equal(Number(second.startnumber), 25);
  assert.equal(second.orders.order.length, 5);
  const seen = [...first.orders.order, ...second.orders.order].map((order) => String(order.id));
  assert.deepEqual(new Set(seen), new Set(ids));
  await call('billing', 'acceptOrder')(ids[3]);
  const active = await call('customers', 'getCustomerOrders')({ userid: clientID, status: 'Active' });
  assert.deepEqual(active.orders.order.map((order) => String(order.id)), [ids[3]]);
  const none = await call('products', 'getOrders')('id', 999999);
  assert.equal(Number(none.totalresults), 0);
});

test('GetClientsDetails knows the client by id and by e-mail', async () => {
  const clientID = await newClient();
  const byID = await call('customers', 'getCustomer')(clientID);
  assert.equal(String(byID.client.id), String(clientID));
  assert.equal(byID.client.status, 'Active');
  assert.ok(byID.stats, 'stats were asked for');
  const byEmail = await call('customers', 'getCustomer')(byID.client.email);
  assert.equal(String(byEmail.client.id), String(clientID));
  assert.equal(String(byEmail.userid), String(clientID));
  await assert.rejects(call('customers', 'getCustomer')(999999), refused('Client Not Found'));
  await assert.rejects(call('customers', 'getCustomerByEmail')(''), refused('Either clientid Or email Is Required'));
});

test('GetProducts lists by product, group and module', async () => {
  const one = await call('products', 'getProduct')(220);
  assert.equal(Number(one.totalresults), 1);
  const [vpn] = one.products.product;
  assert.equal(String(vpn.pid), '220');
  assert.equal(vpn.paytype, 'recurring');
  assert.match(vpn.pricing.JPY.monthly, /^\d+\.\d\d$/);
  assert.equal(vpn.pricing.JPY.biennially, '-1.00');
  assert.ok(vpn.configoptions.configoption.some((option) => String(option.id) === '11'));
  const group = await call('products', 'getProducts')(2);
  assert.deepEqual(group.products.product.map((product) => String(product.pid)), ['201', '202', '210']);
  const module = await call('products', 'getProductsByType')('module', 'sandboxvpn');
  assert.deepEqual(module.products.product.map((product) => String(product.pid)), ['220']);
  const several = await call('products', 'getProduct')('181,242');
  assert.equal(several.products.product.length, 2);
});

test('GetClientsProducts filters by service, product and domain', async () => {
  const clientID = await newClient();
  const first = await newOrder(clientID, { 'domain[0]': 'a.example.net' });
  const second = await newOrder(clientID, { 'pid[0]': 246, 'domain[0]': 'b.example.net' });
  const ask = async (filter) => (await call('customers', 'getCustomerProducts')(clientID, filter)).products.product.map((service) => String(service.id));
  assert.deepEqual(await ask({}), [first.serviceids, second.serviceids]);
  assert.deepEqual(await ask({ serviceid: second.serviceids }), [second.serviceids]);
  assert.deepEqual(await ask({ pid: 246 }), [second.serviceids]);
  assert.deepEqual(await ask({ domain: 'a.example.net' }), [first.serviceids]);
  assert.deepEqual(await ask({ limitstart: 1, limitnum: 1 }), [second.serviceids]);
  const { products: { product: [service] } } = await call('customers', 'getCustomerProducts')(clientID, { serviceid: first.serviceids });
  assert.equal(String(service.orderid), String(first.orderid));
  assert.equal(String(service.pid), '181');
  assert.equal(service.billingcycle, 'Monthly');
  assert.equal(service.status, 'Pending');
});

test('CancelOrder and DeleteOrder keep to the order of states', async () => {
  const clientID = await newClient();
  const { orderid } = await newOrder(clientID);
  await assert.rejects(call('billing', 'deleteOrder')(orderid), refused('The order status must be in Cancelled or Fraud to be deleted'));
  assert.equal((await call('billing', 'cancelOrder')(orderid)).result, 'success');
  const { orders } = await call('products', 'getOrders')('id', orderid);
  assert.equal(orders.order[0].status, 'Cancelled');
  await assert.rejects(call('billing', 'cancelOrder')(orderid), refused('Order ID not found or Status not Pending'));
  assert.equal((await call('billing', 'deleteOrder')(orderid)).result, 'success');
  assert.equal(Number((await call('products', 'getOrders')('id', orderid)).totalresults), 0);
  await assert.rejects(call('billing', 'deleteOrder')(orderid), refused('Order ID not found'));
});

test('UpdateClientProduct changes the record', async () => {
  const clientID = await newClient();
  const { serviceids } = await newOrder(clientID, { 'pid[0]': 220 });
  const answer = await call('customers', 'updateCustomerProduct')(serviceids, {
    status: 'Suspended', notes: 'changed', domain: 'c.example.net', recurringamount: '12.50', nextduedate: '2027-01-31',
    customfields: serialized({ 310: 'key' }), configoptions: serialized({ 11: '102' }),
  });
  assert.equal(String(answer.serviceid), serviceids);
  const { products: { product: [service] } } = await call('customers', 'getCustomerProducts')(clientID, { serviceid: serviceids });
  assert.deepEqual([service.status, service.notes, service.domain, service.recurringamount, service.nextduedate],
    ['Suspended', 'changed', 'c.example.net', '12.50', '2027-01-31']);
  assert.equal(service.customfields.customfield.find((field) => String(field.id) === '310').value, 'key');
  assert.equal(service.configoptions.configoption.find((option) => String(option.id) === '11').value, 'UK - London');
  await assert.rejects(call('customers', 'updateCustomerProduct')(999999, { status: 'Active' }), refused('Service ID Not Found'));
});

test('SendEmail sends, and refuses in the documented words', async () => {
  const clientID = await newClient();
  const send = (fields, id = clientID) => call('customers', 'sendEmail')(id, fields);
  assert.equal((await send({ messagename: 'Client Signup Email' })).result, 'success');
  assert.equal((await send({ customtype: 'general', customsubject: 'Hello', custommessage: 'World' })).result, 'success');
  await assert.rejects(send({}), refused('You must provide either an existing email template name or a custom message type'));
  await assert.rejects(send({ customtype: 'telegram' }), refused('Invalid message type provided'));
  await assert.rejects(send({ customtype: 'general' }), refused('A subject is required for a custom message'));
  await assert.rejects(send({ customtype: 'general', customsubject: 'x' }), refused('A message body is required for a custom message'));
  await assert.rejects(send({ messagename: 'Client Signup Email', customvars: '%%%' }), refused('The custom variables you provided are invalid.'));
  await assert.rejects(send({ messagename: 'Client Signup Email' }, ''), refused('A related ID is required'));
  await assert.rejects(send({ messagename: 'No such template' }), refused('Email Template not found'));
  await assert.rejects(send({ messagename: 'Disabled Template' }), refused('Email Template is disabled'));
});

test('GetModuleQueue shows what a module left undone', async () => {
  const clientID = await newClient();
  const { orderid, serviceids } = await newOrder(clientID);
  await direct('failNextModule', { clientID, message: 'no such line' });
  await assert.rejects(call('billing', 'acceptOrder')(orderid, { autosetup: 1 }), refused('no such line'));
  const { queue } = await call('utilities', 'getModuleQueue')('service', 'sandboxline', 'CreateAccount', '2000-01-01 00:00:00');
  const entry = queue.find((row) => String(row.serviceId) === serviceids);
  assert.equal(entry.lastAttemptError, 'no such line');
});

test('An administrator may log in with a password', async () => {
  const admin = connect({ username: far.whmcs.username, password: far.whmcs.password });
  assert.equal((await admin('products', 'getProduct')(181)).result, 'success');
});

test('A wrong credential is refused with HTTP 403', async () => {
  const wrong = connect({ password: 'wrong' });
  await assert.rejects(wrong('products', 'getProduct')(181), { message: /^WHMCS Error \(403\): (Authentication Failed|Invalid or missing credentials)/ });
});

test('A text answer is not mistaken for a result', async () => {
  const clientID = await newClient();
  await direct('answerHTML', { clientID });
  await assert.rejects(newOrder(clientID), { message: /^JSON failed to parse/ });
  assert.equal(Number((await call('customers', 'getCustomerOrders')({ userid: clientID })).totalresults), 1, 'the page hides an order that was made');
});
